//! The rows that were handed to the store and are not committed yet, in order, and whether the
//! store takes more.

use std::collections::VecDeque;

use super::dedup::MessageKey;
use super::{AgentSlot, Core, RowId};
use foldhash::HashSet;

/// Commits are reported in order, so a queue is enough to find the result of each row.
#[derive(Debug)]
pub(super) struct PendingWrites {
    next_row: RowId,
    pending: VecDeque<PendingWrite>,
    pub(super) store: StoreState,
    /// The ids of rows that failed and may be on disk all the same. The next good commit deletes
    /// those rows; until then the ids are not accepted again. Bounded as `pending` is.
    uncertain: HashSet<MessageKey>,
    /// The oldest row has waited too long for its commit.
    pub(super) stalled: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct PendingWrite {
    pub(super) row: RowId,
    pub(super) mailbox: AgentSlot,
    pub(super) size: usize,
}

/// What the store accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreState {
    Working,
    /// Its disk is full: notices and removals, and no messages.
    Full,
    /// Nothing.
    Failed,
}

impl PendingWrites {
    pub(super) fn new(next_row: RowId) -> Self {
        Self {
            next_row,
            pending: VecDeque::new(),
            store: StoreState::Working,
            uncertain: HashSet::default(),
            stalled: false,
        }
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

    pub(super) fn iter(&self) -> impl Iterator<Item = &PendingWrite> {
        self.pending.iter()
    }

    /// The store works again, or takes at least what frees room.
    pub(super) fn recover(&mut self, store: StoreState) {
        self.store = store;
        self.uncertain.clear();
    }

    pub(super) fn mark_uncertain(&mut self, key: MessageKey) {
        self.uncertain.insert(key);
    }

    pub(super) fn is_uncertain(&self, key: MessageKey) -> bool {
        self.uncertain.contains(&key)
    }

    #[cfg(test)]
    pub(super) fn has_uncertain(&self) -> bool {
        !self.uncertain.is_empty()
    }

    pub(super) fn takes_messages(&self) -> bool {
        self.store == StoreState::Working
    }

    pub(super) fn takes_notices(&self) -> bool {
        self.store != StoreState::Failed
    }
}

impl Core {
    /// Rows of this agent's tenant that wait for the store.
    pub(super) fn tenant_writes(&self, agent: AgentSlot) -> usize {
        let tenant = self.agents.agent(agent).and_then(|agent| self.tenants.get(&agent.tenant));
        tenant.map_or(0, |tenant| tenant.writing)
    }

    /// Reserves the number of the next row, which counts for the tenant of its mailbox.
    pub(super) fn begin_write(&mut self, mailbox: AgentSlot, size: usize) -> RowId {
        let agent = self.agents.agent(mailbox);
        match agent.and_then(|agent| self.tenants.get_mut(&agent.tenant)) {
            Some(tenant) => tenant.writing += 1,
            None => self.broken("a row of no tenant is written"),
        }
        self.pending_writes.begin(mailbox, size)
    }

    /// Takes out the next row up to `upto`, whose commit succeeded or failed.
    pub(super) fn end_write(&mut self, upto: RowId) -> Option<PendingWrite> {
        let written = self.pending_writes.pop_upto(upto)?;
        self.held_bytes -= written.size;
        self.return_write(written.mailbox);
        Some(written)
    }

    /// A row of this mailbox counts for its tenant no longer. Those of a removed agent were
    /// returned when it was removed.
    pub(super) fn return_write(&mut self, mailbox: AgentSlot) {
        let Some(agent) = self.agents.agent(mailbox) else { return };
        let tenant = self.tenants.get_mut(&agent.tenant);
        let rest = tenant.and_then(|tenant| Some((tenant.writing.checked_sub(1)?, tenant)));
        match rest {
            Some((rest, tenant)) => tenant.writing = rest,
            None => self.broken("a row that was written counts for no tenant"),
        }
    }
}
