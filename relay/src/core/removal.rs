//! Removes agents and tenants that no longer exist, with their sessions and mailboxes.
//!
//! Sessions end at once, and whoever waits for an answer gets it. What is on disk leaves in slices,
//! one at each tick, so that a large tenant does not stop everybody else.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use protocol::did::TenantId;
use protocol::frame::Outcome;

use super::agent::{MailboxRow, RowContent, UndeliveredMessage};
use super::agent_session::LiveMessages;
use super::delivery_window::Content;
use super::leaving::{LeavingMessage, MessageEnd};
use super::limits::REMOVED_PER_TICK_MAX;
use super::pending_writes::PendingWrite;
use super::{AgentSlot, Core, CoreTime, Counter, Effect, RowId, SendRule};

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
    pub(super) fn remove_agent(&mut self, did: &str, out: &mut Vec<Effect>) {
        if let Some(slot) = self.agents.find(did) {
            self.remove_agents(&[slot], out);
        }
    }

    pub(super) fn remove_tenant(&mut self, tenant: &TenantId, out: &mut Vec<Effect>) {
        let members = self.agents.iter().filter(|(_, agent)| agent.tenant == *tenant);
        let members: Vec<AgentSlot> = members.map(|(slot, _)| slot).collect();
        self.remove_agents(&members, out);
        if let Some(budget) = self.tenants.get_mut(tenant) {
            budget.removed = true;
        }
        self.forget_removed_tenant(tenant);
    }

    fn remove_agents(&mut self, slots: &[AgentSlot], out: &mut Vec<Effect>) {
        for slot in slots {
            self.drop_session(*slot, out);
        }
        let gone: HashSet<AgentSlot> = slots.iter().copied().collect();
        let pending = self.pending_writes.iter().filter(|written| gone.contains(&written.mailbox));
        let pending: Vec<PendingWrite> = pending.copied().collect();
        for written in pending {
            self.return_write(written.mailbox);
            self.drop_pending_row(written, out);
        }
        for slot in slots {
            self.dedup.remove_sender(*slot);
            self.tell_sends_of(*slot, out);
            let Some(agent) = self.agents.remove(*slot) else { continue };
            self.removed.mailboxes.push_back(RemovedMailbox {
                slot: *slot,
                did: agent.did,
                tenant: agent.tenant,
                rows: agent.rows,
            });
        }
    }

    /// Refuses what is in flight and not in the mailbox.
    fn drop_session(&mut self, slot: AgentSlot, out: &mut Vec<Effect>) {
        let session = self.agents.agent_mut(slot).and_then(|agent| agent.session.take());
        let Some(mut session) = session else { return };
        self.sessions.remove(&session.conn);
        for (_, message) in session.live_mut().map(LiveMessages::take_all).unwrap_or_default() {
            self.held_bytes -= message.envelope.len();
            self.refuse_and_forget(message.key, SendRule::RecipientStays.into(), out);
        }
        for (_, content) in session.window.contents() {
            if let Content::Unstored(key) = content {
                self.unstored.forget(key);
            }
        }
    }

    /// Refuses a message that is being written and was not promised yet.
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

    /// Drops the next rows of removed agents, as many as one tick may.
    pub(super) fn drop_removed(&mut self, now: CoreTime, out: &mut Vec<Effect>) {
        for _ in 0..REMOVED_PER_TICK_MAX {
            if !self.has_room_for_notices() {
                return;
            }
            let Some(mailbox) = self.removed.mailboxes.front_mut() else { return };
            let (slot, did, tenant) = (mailbox.slot, mailbox.did.clone(), mailbox.tenant.clone());
            match mailbox.rows.pop_first() {
                Some((number, row)) => {
                    self.expiry.remove(row.check_ms, slot, number);
                    self.return_budget(&tenant, row.size);
                    self.drop_row(did, number, row, now, out);
                }
                None => {
                    self.removed.mailboxes.pop_front();
                    self.forget_removed_tenant(&tenant);
                }
            }
        }
    }

    fn drop_row(
        &mut self,
        recipient: Arc<str>,
        number: RowId,
        row: MailboxRow,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) {
        let RowContent::Message { sender } = row.content else {
            return self.remove_notice(number, row.content, out);
        };
        let (id, outcome, reason) = (row.id, Outcome::Dropped, None);
        let dropped = UndeliveredMessage { sender, recipient, id, outcome, reason, row: number };
        self.write_notice(dropped, now, out);
        out.push(Effect::Count(Counter::Dropped));
    }

    /// Forgets a removed tenant when its last row is gone.
    fn forget_removed_tenant(&mut self, tenant: &TenantId) {
        if self.tenants.get(tenant).is_some_and(|budget| budget.removed && budget.usage.messages == 0) {
            self.tenants.remove(tenant);
        }
    }
}
