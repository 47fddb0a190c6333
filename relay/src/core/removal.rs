//! Removes agents and tenants that no longer exist, with their sessions and mailboxes.
//!
//! Sessions end at once, and whoever waits for an answer gets it. What is on disk leaves in slices,
//! one at each tick, so that a large tenant does not stop everybody else.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use protocol::did::TenantId;
use protocol::frame::Outcome;

use super::agent_mailbox::{AgentMailbox, MailboxRow, RowContent, UndeliveredMessage};
use super::agent_session::LiveMessages;
use super::delivery_window::Content;
use super::leaving::{LeavingMessage, MessageEnd};
use super::limits::REMOVED_PER_TICK_MAX;
use super::pending_writes::PendingWrite;
use super::recipient_side::RecipientSide;
use super::verdict::Verdict;
use super::{AgentSlot, ConnId, Core, CoreTime, Counter, Effect, RowId, SendRule};

/// The rows of an agent that is no longer there.
#[derive(Debug)]
pub(super) struct RemovedMailbox {
    /// Where the agent was.
    pub(super) slot: AgentSlot,
    pub(super) did: Arc<str>,
    pub(super) tenant: TenantId,
    pub(super) rows: BTreeMap<RowId, MailboxRow>,
}

/// Bounded by the budgets of the relay: the rows in it still count.
#[derive(Debug, Default)]
pub(super) struct RemovedMailboxes {
    mailboxes: VecDeque<RemovedMailbox>,
}

impl RemovedMailboxes {
    /// Adds a row that the store has for an agent that is not there.
    pub(super) fn restore(&mut self, did: &str, tenant: &TenantId, row: RowId, content: MailboxRow) {
        if self.mailboxes.back().is_none_or(|last| *last.did != *did) {
            self.mailboxes.push_back(RemovedMailbox {
                slot: AgentSlot::default(),
                did: did.into(),
                tenant: tenant.clone(),
                rows: BTreeMap::new(),
            });
        }
        if let Some(last) = self.mailboxes.back_mut() {
            last.rows.insert(row, content);
        }
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &RemovedMailbox> {
        self.mailboxes.iter()
    }
}

impl Core {
    pub(super) fn remove_agent(&mut self, did: &str, now: CoreTime, out: &mut Vec<Effect>) {
        if let Some(slot) = self.agents.find(did) {
            self.remove_agents(&[slot], now, out);
        }
    }

    pub(super) fn remove_tenant(&mut self, tenant: &TenantId, now: CoreTime, out: &mut Vec<Effect>) {
        self.remove_agents(&self.agents.members(tenant), now, out);
        self.recipients.remove_tenant(tenant);
    }

    fn remove_agents(&mut self, slots: &[AgentSlot], now: CoreTime, out: &mut Vec<Effect>) {
        for slot in slots {
            if let Some(conn) = self.recipients.drop_session(*slot) {
                self.sessions.remove(&conn);
            }
        }
        self.recipients.drop_pending(slots, out);
        // The removed may have sent to each other, and still get their answers.
        self.exchange(now, out);
        for slot in slots {
            self.senders.remove_agent(*slot, out);
            self.recipients.remove_agent(*slot);
            self.agents.remove(*slot);
        }
    }

    /// Drops the next rows of removed agents, as many as one tick may.
    pub(super) fn drop_removed(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        for _ in 0..REMOVED_PER_TICK_MAX {
            if !self.recipients.drop_next_removed(out) {
                return;
            }
            self.exchange(now, out);
        }
    }
}

impl RecipientSide {
    /// Refuses what is in flight and not in the mailbox, and returns the connection that had the
    /// session.
    fn drop_session(&mut self, slot: AgentSlot) -> Option<ConnId> {
        let mut session = self.mailboxes.get_mut(slot)?.session.take()?;
        for (_, message) in session.live_mut().map(LiveMessages::take_all).unwrap_or_default() {
            self.held_bytes -= message.envelope.len();
            let (key, rule) = (message.key, SendRule::RecipientStays);
            self.verdicts.push_back(Verdict::Refused { key, rule });
        }
        for (_, content) in session.window.contents() {
            if let Content::Unstored(key) = content {
                self.verdicts.push_back(Verdict::UnstoredGone(key));
            }
        }
        Some(session.conn)
    }

    /// Refuses the messages to these agents that are being written and were not promised yet.
    fn drop_pending(&mut self, slots: &[AgentSlot], out: &mut Vec<Effect>) {
        let gone: HashSet<AgentSlot> = slots.iter().copied().collect();
        let pending = self.pending_writes.iter().filter(|written| gone.contains(&written.mailbox));
        let pending: Vec<PendingWrite> = pending.copied().collect();
        for written in pending {
            self.return_write(written.mailbox);
            self.drop_pending_row(written, out);
        }
    }

    fn drop_pending_row(&mut self, written: PendingWrite, out: &mut Vec<Effect>) {
        let PendingWrite { row, mailbox, .. } = written;
        let recipient = self.did(mailbox);
        let Some(removed) = self.remove_row(mailbox, row) else { return };
        let RowContent::Message { sender } = removed.content else {
            return self.remove_notice(row, removed.content, out);
        };
        let end = MessageEnd::RecipientRemoved;
        self.leave(row, LeavingMessage { sender, recipient, id: removed.id, size: removed.size, end }, out);
    }

    fn remove_agent(&mut self, slot: AgentSlot) {
        let Some(AgentMailbox { did, tenant, rows, .. }) = self.mailboxes.remove(slot) else { return };
        self.removed.mailboxes.push_back(RemovedMailbox { slot, did, tenant, rows });
    }

    fn remove_tenant(&mut self, tenant: &TenantId) {
        if let Some(usage) = self.tenants.get_mut(tenant) {
            usage.removed = true;
        }
        self.forget_removed_tenant(tenant);
    }

    /// Drops the next row of a removed agent. False if there is none, or no room for its notice.
    fn drop_next_removed(&mut self, out: &mut Vec<Effect>) -> bool {
        if !self.has_room_for_notices() {
            return false;
        }
        let Some(mailbox) = self.removed.mailboxes.front_mut() else { return false };
        let (slot, did, tenant) = (mailbox.slot, mailbox.did.clone(), mailbox.tenant.clone());
        match mailbox.rows.pop_first() {
            Some((number, row)) => {
                self.expiry.remove(row.check_ms, slot, number);
                self.return_budget(&tenant, row.size);
                self.drop_row(did, number, row, out);
            }
            None => {
                self.removed.mailboxes.pop_front();
                self.forget_removed_tenant(&tenant);
            }
        }
        true
    }

    fn drop_row(&mut self, recipient: Arc<str>, number: RowId, row: MailboxRow, out: &mut Vec<Effect>) {
        let RowContent::Message { sender } = row.content else {
            return self.remove_notice(number, row.content, out);
        };
        let (id, outcome, reason) = (row.id, Outcome::Dropped, None);
        let dropped = UndeliveredMessage { sender, recipient, id, outcome, reason, row: number };
        self.verdicts.push_back(Verdict::Undelivered(dropped));
        out.push(Effect::Count(Counter::Dropped));
    }

    /// Forgets a removed tenant when its last row is gone.
    fn forget_removed_tenant(&mut self, tenant: &TenantId) {
        if self.tenants.get(tenant).is_some_and(|usage| usage.removed && usage.usage.messages == 0) {
            self.tenants.remove(tenant);
            self.verdicts.push_back(Verdict::TenantGone(tenant.clone()));
        }
    }
}
