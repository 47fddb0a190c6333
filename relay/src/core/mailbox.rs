//! The mailbox of an agent: writes messages and notices into it and keeps the index of its rows.

use protocol::Reason;
use protocol::envelope::MessageId;

use super::agent::{MailboxRow, RowContent, UndeliveredMessage};
use super::delivery_window::{Content, DeliveryWindow, MemoryOnly};
use super::limits::NOTICE_TTL_SECONDS;
use super::{AgentSlot, Core, Counter, Effect, Now, RowId, Write, WriteContent, WriteRow};

impl Core {
    /// Sends everything for this recipient through its mailbox from now on. The messages in
    /// flight are written first, so that the order is kept.
    pub(super) fn enter_backlog(&mut self, slot: AgentSlot, now: Now, out: &mut Vec<Effect>) {
        let Some(session) = self.agents.session_mut(slot) else { return };
        if session.backlog {
            return;
        }
        session.backlog = true;
        out.push(Effect::Count(Counter::Backlog));
        self.spill(slot, now, out);
    }

    /// Writes the messages that are only in memory, in order.
    pub(super) fn spill(&mut self, slot: AgentSlot, now: Now, out: &mut Vec<Effect>) {
        let session = self.agents.session(slot);
        for seq in session.map(DeliveryWindow::memory_only_seqs).unwrap_or_default() {
            self.persist(slot, seq, now, out);
        }
    }

    /// Writes one delivery that is only in memory. Its sender is answered after the commit, or
    /// gets an error.
    pub(super) fn persist(&mut self, mailbox: AgentSlot, seq: u64, now: Now, out: &mut Vec<Effect>) {
        let session = self.agents.session(mailbox);
        let Some(message) = session.and_then(|s| s.memory_only_at(seq)).cloned() else { return };
        let content = if self.agents.agent(message.key.sender).is_none() {
            // The sender was removed before it got an answer, so the message is not stored.
            self.held_bytes -= message.envelope.len();
            Content::Ephemeral
        } else if self.pending_writes.failed() {
            self.held_bytes -= message.envelope.len();
            self.refuse_sender(message.key, Reason::StorageUnavailable, out);
            Content::Unstored(message.key)
        } else {
            Content::Row(self.write_message(mailbox, &message, now, out))
        };
        if let Some(session) = self.agents.session_mut(mailbox) {
            session.replace_memory_only(seq, content);
        }
    }

    pub(super) fn write_message(
        &mut self,
        mailbox: AgentSlot,
        message: &MemoryOnly,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> RowId {
        let MemoryOnly { key, expires, envelope } = message;
        let row = self.pending_writes.begin(mailbox, envelope.len());
        let content = RowContent::Message { sender: Some(key.sender) };
        self.index_row(mailbox, row, key.id, envelope.len(), *expires, content, false);
        let digest = self.dedup.entry_mut(*key).map_or(0, |entry| entry.digest);
        out.push(Effect::Write(Write::Insert(WriteRow {
            row,
            recipient: self.did(mailbox),
            peer: self.did(key.sender),
            id: key.id,
            digest,
            accepted: now.unix,
            expires: *expires,
            content: WriteContent::Message(envelope.clone()),
        })));
        row
    }

    /// Writes a notice to the sender of a stored message that will not be delivered. The
    /// message's row leaves the store after that: a crash in between repeats the notice and never
    /// loses it.
    pub(super) fn write_notice(&mut self, undelivered: UndeliveredMessage, now: Now, out: &mut Vec<Effect>) {
        let Some(sender) = undelivered.sender.filter(|slot| self.agents.agent(*slot).is_some()) else {
            return out.push(Effect::Write(Write::Remove { row: undelivered.row }));
        };
        let UndeliveredMessage { recipient: about, id, outcome, row: ends, .. } = undelivered;
        self.enter_backlog(sender, now, out);
        let row = self.pending_writes.begin(sender, 0);
        let expires = now.unix + NOTICE_TTL_SECONDS;
        let (at, ends) = (now.unix, Some(ends));
        let content = RowContent::Notice { about: about.clone(), outcome, at, ends };
        self.index_row(sender, row, id, 0, expires, content, false);
        out.push(Effect::Write(Write::Insert(WriteRow {
            row,
            recipient: self.did(sender),
            peer: about,
            id,
            digest: 0,
            accepted: now.unix,
            expires,
            content: WriteContent::Notice(outcome),
        })));
    }

    #[expect(clippy::too_many_arguments, reason = "the columns of one row")]
    pub(super) fn index_row(
        &mut self,
        mailbox: AgentSlot,
        row: RowId,
        id: MessageId,
        size: usize,
        expires: u64,
        content: RowContent,
        committed: bool,
    ) {
        let Some(agent) = self.agents.agent_mut(mailbox) else { return };
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        agent.rows.insert(row, MailboxRow { id, size, expires, content, committed });
        agent.row_bytes += u64::from(size);
        self.row_count += 1;
        self.row_bytes += u64::from(size);
        self.expiry.insert(expires, mailbox, row);
    }

    /// Removes a row from the index. The caller removes it from the store.
    pub(super) fn remove_row(&mut self, mailbox: AgentSlot, row: RowId) -> Option<MailboxRow> {
        let agent = self.agents.agent_mut(mailbox)?;
        let removed = agent.rows.remove(&row)?;
        agent.row_bytes -= u64::from(removed.size);
        self.row_count -= 1;
        self.row_bytes -= u64::from(removed.size);
        self.expiry.remove(removed.expires, mailbox, row);
        Some(removed)
    }
}
