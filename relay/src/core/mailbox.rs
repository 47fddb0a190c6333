//! The mailbox of an agent: writes messages into it and keeps the index of its rows.

use protocol::envelope::MessageId;

use super::agent::{MailboxRow, RowContent};
use super::agent_session::{Backlog, DeliveryMode, LiveMessages, MemoryOnly};
use super::delivery_window::Content;
use super::{AgentSlot, Core, CoreTime, Counter, Effect, RowId, SendRule, Write, WriteContent, WriteRow};

/// A row that enters the index of a mailbox.
#[derive(Debug)]
pub(super) struct NewRow {
    pub(super) id: MessageId,
    pub(super) size: u32,
    pub(super) expires_ms: u64,
    pub(super) content: RowContent,
    pub(super) committed: bool,
}

impl Core {
    /// Sends everything for this recipient through its mailbox from now on. The messages in
    /// flight are written first, so that the order is kept.
    pub(super) fn enter_backlog(&mut self, slot: AgentSlot, now: CoreTime, out: &mut Vec<Effect>) {
        if self.leave_live(slot, now, out) {
            out.push(Effect::Count(Counter::Backlog));
        }
    }

    /// Makes a live session one in backlog. False if there is no live session.
    pub(super) fn leave_live(&mut self, slot: AgentSlot, now: CoreTime, out: &mut Vec<Effect>) -> bool {
        let live = self.agents.session_mut(slot).and_then(|session| session.live_mut());
        let Some(messages) = live.map(LiveMessages::take_all) else { return false };
        for (seq, message) in messages {
            self.persist(slot, seq, &message, now, out);
        }
        let Some(agent) = self.agents.agent_mut(slot) else { return false };
        // Every row is in flight while a session is live.
        let highest = agent.rows.last_key_value().map_or(0, |(row, _)| *row);
        if let Some(session) = &mut agent.session {
            session.mode = DeliveryMode::Backlog(Backlog::after(highest));
        }
        true
    }

    /// Writes one delivery that was only in memory. Its sender is answered after the commit, or
    /// gets an error.
    pub(super) fn persist(
        &mut self,
        mailbox: AgentSlot,
        seq: u64,
        message: &MemoryOnly,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) {
        if self.agents.agent(message.key.sender).is_none() || !self.pending_writes.takes_messages() {
            self.held_bytes -= message.envelope.len();
            return self.become_unstored(mailbox, seq, (message.key, message.envelope.len()), out);
        }
        let row = self.write_message(mailbox, message, now, out);
        let session = self.agents.session_mut(mailbox);
        let replaced = session.and_then(|session| session.window.replace(seq, Content::Row(row)));
        if replaced != Some(Content::MemoryOnly) {
            self.broken("a message in memory is not in flight");
        }
    }

    pub(super) fn write_message(
        &mut self,
        mailbox: AgentSlot,
        message: &MemoryOnly,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) -> RowId {
        let MemoryOnly { key, ttl_seconds, expires_ms, envelope } = message;
        let row = self.begin_write(mailbox, envelope.len());
        let content = RowContent::Message { sender: Some(key.sender) };
        let size = u32::try_from(envelope.len()).unwrap_or(u32::MAX);
        let new = NewRow { id: key.id, size, expires_ms: *expires_ms, content, committed: false };
        self.index_row(mailbox, row, new);
        let digest = self.dedup.open(*key).map(|entry| entry.digest);
        if digest.is_none() {
            self.broken("a message is written whose id is not remembered");
        }
        out.push(Effect::Write(Write::Insert(WriteRow {
            row,
            recipient: self.did(mailbox),
            peer: self.did(key.sender),
            id: key.id,
            digest: digest.unwrap_or(0),
            accepted: now.unix,
            expires: now.unix_after(*ttl_seconds),
            content: WriteContent::Message(envelope.clone()),
        })));
        if self.pending_writes.stalled {
            self.release_sender(*key, SendRule::StoreAnswers.into(), out);
        }
        row
    }

    pub(super) fn index_row(&mut self, mailbox: AgentSlot, row: RowId, new: NewRow) {
        let Some(agent) = self.agents.agent_mut(mailbox) else {
            return self.broken("a row belongs to no agent");
        };
        let NewRow { id, size, expires_ms, content, committed } = new;
        if matches!(content, RowContent::Notice(_)) {
            agent.notices.insert(row);
        }
        let check_ms = expires_ms;
        agent.rows.insert(row, MailboxRow { id, size, expires_ms, check_ms, content, committed });
        agent.row_bytes += u64::from(size);
        self.usage.add(size);
        self.expiry.insert(check_ms, mailbox, row);
        match self.tenants.get_mut(&agent.tenant) {
            Some(tenant) => tenant.usage.add(size),
            None => self.broken("a row belongs to no tenant"),
        }
    }

    /// Removes a row from the index. The caller removes it from the store.
    pub(super) fn remove_row(&mut self, mailbox: AgentSlot, row: RowId) -> Option<MailboxRow> {
        let agent = self.agents.agent_mut(mailbox)?;
        let removed = agent.rows.remove(&row)?;
        agent.notices.remove(&row);
        agent.row_bytes -= u64::from(removed.size);
        if let Some(backlog) = agent.session.as_mut().and_then(|session| session.backlog_mut()) {
            backlog.forget(row);
        }
        self.expiry.remove(removed.check_ms, mailbox, row);
        let tenant = agent.tenant.clone();
        self.return_budget(&tenant, removed.size);
        Some(removed)
    }

    /// Gives back what one row took of the budgets.
    pub(super) fn return_budget(&mut self, tenant: &protocol::did::TenantId, size: u32) {
        let tenant = self.tenants.get_mut(tenant);
        let counted = tenant.is_some_and(|tenant| tenant.usage.subtract(size));
        if !self.usage.subtract(size) || !counted {
            self.broken("a row leaves that no budget has counted");
        }
    }
}
