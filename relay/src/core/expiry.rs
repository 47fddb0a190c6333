//! Expires messages that were not fetched in time: removes them from the mailbox and writes a
//! notice to the sender.

use std::collections::BTreeSet;

use protocol::frame::Outcome;

use super::agent::{RowContent, UndeliveredMessage};
use super::{AgentSlot, Core, Counter, Effect, Now, RowId, Write};

/// Messages that expire in one step. The rest waits for the next tick.
const EXPIRED_PER_TICK: usize = 512;
/// A message in flight does not expire, because its recipient may have it already. It is checked
/// again after this time.
const EXPIRY_RECHECK_INTERVAL_SECONDS: u64 = 10;

/// Rows in the order of their expiry.
#[derive(Debug, Default)]
pub(super) struct ExpiryQueue {
    rows: BTreeSet<(u64, AgentSlot, RowId)>,
}

impl ExpiryQueue {
    pub(super) fn insert(&mut self, at: u64, mailbox: AgentSlot, row: RowId) {
        self.rows.insert((at, mailbox, row));
    }

    pub(super) fn remove(&mut self, at: u64, mailbox: AgentSlot, row: RowId) {
        self.rows.remove(&(at, mailbox, row));
    }

    fn pop_due(&mut self, now: u64) -> Option<(AgentSlot, RowId)> {
        let (at, mailbox, row) = self.rows.first().copied()?;
        if at > now {
            return None;
        }
        self.rows.remove(&(at, mailbox, row));
        Some((mailbox, row))
    }
}

impl Core {
    pub(super) fn expire(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.pending_writes.failed() {
            return;
        }
        for _ in 0..EXPIRED_PER_TICK {
            let Some((mailbox, row)) = self.expiry.pop_due(now.unix) else { return };
            if self.is_unsettled(mailbox, row) {
                self.postpone_expiry(mailbox, row, now);
            } else {
                self.expire_row(mailbox, row, now, out);
            }
        }
    }

    /// Whether the row is in flight, or not on disk yet.
    fn is_unsettled(&self, mailbox: AgentSlot, row: RowId) -> bool {
        let Some(agent) = self.agents.agent(mailbox) else { return false };
        let in_flight = agent.session.as_ref().is_some_and(|s| row <= s.sent_upto);
        in_flight || agent.rows.get(&row).is_some_and(|r| !r.committed)
    }

    fn postpone_expiry(&mut self, mailbox: AgentSlot, row: RowId, now: Now) {
        let at = now.unix + EXPIRY_RECHECK_INTERVAL_SECONDS;
        let found = self.agents.agent_mut(mailbox).and_then(|agent| agent.rows.get_mut(&row));
        if let Some(found) = found {
            found.expires = at;
            self.expiry.insert(at, mailbox, row);
        }
    }

    fn expire_row(&mut self, mailbox: AgentSlot, row: RowId, now: Now, out: &mut Vec<Effect>) {
        let Some(recipient) = self.agents.agent(mailbox).map(|a| a.did.clone()) else { return };
        let Some(removed) = self.remove_row(mailbox, row) else { return };
        match removed.content {
            RowContent::Message { sender } => {
                let (id, outcome) = (removed.id, Outcome::Expired);
                self.write_notice(UndeliveredMessage { sender, recipient, id, outcome, row }, now, out);
            }
            RowContent::Notice { .. } => out.push(Effect::Write(Write::Remove { row })),
        }
        out.push(Effect::Count(Counter::Expired));
        self.deliver_backlog(mailbox, out);
    }
}
