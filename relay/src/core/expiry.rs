//! Expires messages that were not fetched in time: removes them from the mailbox and writes a
//! notice to the sender.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::frame::Outcome;

use super::agent::{RowContent, UndeliveredMessage};
use super::{AgentSlot, Core, CoreTime, Counter, Effect, RowId};

/// Messages that expire in one step. The rest waits for the next tick.
const EXPIRED_PER_TICK: usize = 512;
/// A message in flight does not expire, because its recipient may have it already. It is checked
/// again after this time.
const EXPIRY_RECHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Rows in the order in which their expiry is looked at.
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

    #[cfg(test)]
    pub(super) const fn rows(&self) -> &BTreeSet<(u64, AgentSlot, RowId)> {
        &self.rows
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
    pub(super) fn expire(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        for _ in 0..EXPIRED_PER_TICK {
            if !self.has_room_for_notices() {
                return;
            }
            let Some((mailbox, row)) = self.expiry.pop_due(now.steady_ms) else { return };
            if self.is_unsettled(mailbox, row) {
                self.look_later(mailbox, row, now);
            } else {
                self.expire_row(mailbox, row, now, out);
            }
        }
    }

    /// Whether the store takes the notices of more messages that ended. Half of its queue is left
    /// to senders.
    pub(super) fn has_room_for_notices(&self) -> bool {
        self.pending_writes.takes_notices() && self.pending_writes.len() <= self.limits.writes_pending / 2
    }

    /// Whether the row is in flight, or not on disk yet.
    fn is_unsettled(&self, mailbox: AgentSlot, row: RowId) -> bool {
        let Some(agent) = self.agents.agent(mailbox) else { return false };
        let in_flight = agent.session.as_ref().is_some_and(|session| session.has_in_flight(row));
        in_flight || agent.rows.get(&row).is_some_and(|r| !r.committed)
    }

    fn look_later(&mut self, mailbox: AgentSlot, row: RowId, now: CoreTime) {
        let pause = u64::try_from(EXPIRY_RECHECK_INTERVAL.as_millis()).unwrap_or(u64::MAX);
        self.look_at(mailbox, row, now.steady_ms.saturating_add(pause));
    }

    /// Has the next tick expire a row that was in flight when its time ended.
    pub(super) fn expire_soon(&mut self, mailbox: AgentSlot, row: RowId, now: CoreTime) {
        self.look_at(mailbox, row, now.steady_ms);
    }

    fn look_at(&mut self, mailbox: AgentSlot, row: RowId, at_ms: u64) {
        let found = self.agents.agent_mut(mailbox).and_then(|agent| agent.rows.get_mut(&row));
        if let Some(found) = found {
            self.expiry.remove(found.check_ms, mailbox, row);
            found.check_ms = at_ms;
            self.expiry.insert(at_ms, mailbox, row);
        }
    }

    /// The row may have left meanwhile with its agent.
    fn expire_row(&mut self, mailbox: AgentSlot, row: RowId, now: CoreTime, out: &mut Vec<Effect>) {
        let recipient = self.did(mailbox);
        let Some(removed) = self.remove_row(mailbox, row) else { return };
        match removed.content {
            RowContent::Message { sender } => {
                let (id, outcome, reason) = (removed.id, Outcome::Expired, None);
                self.write_notice(
                    UndeliveredMessage { sender, recipient, id, outcome, reason, row },
                    now,
                    out,
                );
            }
            notice @ RowContent::Notice(_) => self.remove_notice(row, notice, out),
        }
        out.push(Effect::Count(Counter::Expired));
        self.deliver_backlog(mailbox, now, out);
    }
}
