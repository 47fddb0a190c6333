//! The end of messages nobody fetched: out of the mailbox, and a notice to the sender.

use std::collections::BTreeSet;

use protocol::frame::Outcome;

use super::agent::{Ending, RowContent};
use super::effect::Tally;
use super::{AgentKey, Core, Effect, Now, RowId, Write};

/// Messages that end in one step. The rest waits for the next tick.
const EXPIRED_PER_TICK: usize = 512;
/// A message in flight is not ended: its recipient may have it already. It is looked at again after this many seconds.
const RECHECK_SECS: u64 = 10;

/// Rows by their end.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    ends: BTreeSet<(u64, AgentKey, RowId)>,
}

impl Expiry {
    pub(super) fn insert(&mut self, at: u64, mailbox: AgentKey, row: RowId) {
        self.ends.insert((at, mailbox, row));
    }

    pub(super) fn remove(&mut self, at: u64, mailbox: AgentKey, row: RowId) {
        self.ends.remove(&(at, mailbox, row));
    }

    fn pop_due(&mut self, now: u64) -> Option<(AgentKey, RowId)> {
        let (at, mailbox, row) = self.ends.first().copied()?;
        if at > now {
            return None;
        }
        self.ends.remove(&(at, mailbox, row));
        Some((mailbox, row))
    }
}

impl Core {
    pub(super) fn expire(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.journal.failed() {
            return;
        }
        for _ in 0..EXPIRED_PER_TICK {
            let Some((mailbox, row)) = self.expiry.pop_due(now.unix) else { return };
            if self.is_settling(mailbox, row) {
                self.postpone_expiry(mailbox, row, now);
            } else {
                self.expire_row(mailbox, row, now, out);
            }
        }
    }

    /// Whether the row is in flight, or not on the disk yet.
    fn is_settling(&self, mailbox: AgentKey, row: RowId) -> bool {
        let Some(agent) = self.roster.agent(mailbox) else { return false };
        let in_flight = agent.session.as_ref().is_some_and(|s| row <= s.sent_upto);
        in_flight || agent.rows.get(&row).is_some_and(|r| !r.committed)
    }

    fn postpone_expiry(&mut self, mailbox: AgentKey, row: RowId, now: Now) {
        let at = now.unix + RECHECK_SECS;
        let found = self.roster.agent_mut(mailbox).and_then(|agent| agent.rows.get_mut(&row));
        if let Some(found) = found {
            found.expires = at;
            self.expiry.insert(at, mailbox, row);
        }
    }

    fn expire_row(&mut self, mailbox: AgentKey, row: RowId, now: Now, out: &mut Vec<Effect>) {
        let Some(about) = self.roster.agent(mailbox).map(|a| a.did.clone()) else { return };
        let Some(taken) = self.take_row(mailbox, row) else { return };
        match taken.content {
            RowContent::Message { sender } => {
                let outcome = Outcome::Expired;
                self.end_message(Ending { sender, about, id: taken.id, outcome, row }, now, out);
            }
            RowContent::Notice { .. } => out.push(Effect::Write(Write::Remove { row })),
        }
        out.push(Effect::Count(Tally::Expired));
        self.pump(mailbox, out);
    }
}
