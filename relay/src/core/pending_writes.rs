//! The rows that were handed to the store and are not committed yet, in order.

use std::collections::VecDeque;

use super::{AgentSlot, RowId};

/// Commits are reported in order, so a queue is enough to find the result of each row.
#[derive(Debug)]
pub(super) struct PendingWrites {
    next_row: RowId,
    pending: VecDeque<PendingWrite>,
    failed: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct PendingWrite {
    pub(super) row: RowId,
    pub(super) mailbox: AgentSlot,
    pub(super) size: usize,
}

impl PendingWrites {
    pub(super) const fn new(next_row: RowId) -> Self {
        Self { next_row, pending: VecDeque::new(), failed: false }
    }

    /// Reserves the number of the next row.
    pub(super) fn begin(&mut self, mailbox: AgentSlot, size: usize) -> RowId {
        let row = self.next_row;
        self.next_row += 1;
        self.pending.push_back(PendingWrite { row, mailbox, size });
        row
    }

    /// Takes out the next row up to `upto`, whose commit succeeded or failed.
    pub(super) fn pop_upto(&mut self, upto: RowId) -> Option<PendingWrite> {
        self.pending.pop_front_if(|pending| pending.row <= upto)
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether the last commit failed.
    pub(super) const fn failed(&self) -> bool {
        self.failed
    }

    pub(super) const fn set_failed(&mut self, failed: bool) {
        self.failed = failed;
    }
}
