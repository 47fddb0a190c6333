//! Rows on their way to the store, in the order they were handed over.

use std::collections::VecDeque;

use super::{AgentKey, RowId};

/// Commits come back in order, so a queue is enough to find what became of each row.
#[derive(Debug)]
pub(super) struct Journal {
    next_row: RowId,
    pending: VecDeque<Pending>,
    failed: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) row: RowId,
    pub(super) mailbox: AgentKey,
    pub(super) size: usize,
}

impl Journal {
    pub(super) const fn new(next_row: RowId) -> Self {
        Self { next_row, pending: VecDeque::new(), failed: false }
    }

    pub(super) fn begin(&mut self, mailbox: AgentKey, size: usize) -> RowId {
        let row = self.next_row;
        self.next_row += 1;
        self.pending.push_back(Pending { row, mailbox, size });
        row
    }

    /// The next row up to `upto` whose fate is now known.
    pub(super) fn end_upto(&mut self, upto: RowId) -> Option<Pending> {
        self.pending.pop_front_if(|pending| pending.row <= upto)
    }

    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    pub(super) const fn failed(&self) -> bool {
        self.failed
    }

    pub(super) const fn set_failed(&mut self, failed: bool) {
        self.failed = failed;
    }
}
