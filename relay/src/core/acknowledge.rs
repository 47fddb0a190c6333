//! Acknowledgements and refusals: a recipient has processed its deliveries up to a sequence number,
//! or will never process one of them.

use protocol::close::CloseCode;
use protocol::frame::{Outcome, SendStatus};
use protocol::refusal::RefusalReason;

use super::agent::{RowContent, UndeliveredMessage};
use super::agent_session::MemoryOnly;
use super::delivery_window::Content;
use super::leaving::{LeavingMessage, MessageEnd};
use super::send_error::SendError;
use super::{AgentSlot, ConnId, Core, CoreTime, Effect, RowId};

impl Core {
    pub(super) fn acknowledge(
        &mut self,
        conn: ConnId,
        epoch: u64,
        seq: u64,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) {
        let Some(slot) = self.settling_session(conn, epoch, seq, now, out) else { return };
        while let Some((popped, content)) = self.pop_upto(slot, seq) {
            self.on_acknowledged(slot, popped, content, now, out);
        }
        self.deliver_backlog(slot, now, out);
    }

    /// The recipient will never process this one delivery. Its sender is told so, and never that
    /// it was delivered.
    pub(super) fn refuse_delivery(
        &mut self,
        conn: ConnId,
        epoch: u64,
        seq: u64,
        reason: RefusalReason,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) {
        let Some(slot) = self.settling_session(conn, epoch, seq, now, out) else { return };
        let settled = self.agents.session_mut(slot).and_then(|session| session.window.settle(seq));
        match settled {
            None | Some(Content::Nowhere) => {}
            Some(Content::MemoryOnly) => {
                if let Some(MemoryOnly { key, .. }) = self.take_from_memory(slot, seq) {
                    self.end_unpromised(key, Outcome::Refused, SendError::refused(reason), out);
                }
            }
            Some(Content::Unstored(key)) => self.settle_unstored(key, Outcome::Refused, now),
            Some(Content::Row(row)) => self.on_row_refused_by_recipient(slot, row, reason, now, out),
        }
        self.deliver_backlog(slot, now, out);
    }

    /// The agent whose session this is. Only the session of this epoch on this connection can
    /// settle deliveries; anything else has no effect.
    fn settling_session(
        &mut self,
        conn: ConnId,
        epoch: u64,
        seq: u64,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) -> Option<AgentSlot> {
        let slot = self.sessions.get(&conn).copied()?;
        let session = self.agents.session(slot).filter(|s| s.conn == conn && s.epoch == epoch)?;
        if seq > session.window.last_seq() {
            out.push(Effect::Close { conn, code: CloseCode::Policy });
            self.close_connection(conn, now, out);
            return None;
        }
        Some(slot)
    }

    fn pop_upto(&mut self, slot: AgentSlot, seq: u64) -> Option<(u64, Content)> {
        self.agents.session_mut(slot)?.window.pop_upto(seq)
    }

    fn on_acknowledged(
        &mut self,
        slot: AgentSlot,
        seq: u64,
        content: Content,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) {
        match content {
            Content::MemoryOnly => {
                if let Some(MemoryOnly { key, envelope, .. }) = self.take_from_memory(slot, seq) {
                    self.answer_sender(key, SendStatus::Delivered, envelope.len(), out);
                }
            }
            Content::Row(row) => self.on_row_acknowledged(slot, row, out),
            Content::Unstored(key) => self.settle_unstored(key, Outcome::Delivered, now),
            Content::Nowhere => {}
        }
    }

    /// Takes a message out of memory that was settled before it was written.
    fn take_from_memory(&mut self, slot: AgentSlot, seq: u64) -> Option<MemoryOnly> {
        let live = self.agents.session_mut(slot).and_then(|session| session.live_mut());
        let Some(message) = live.and_then(|live| live.take(seq)) else {
            self.broken("a delivery that is only in memory is not there");
            return None;
        };
        self.held_bytes -= message.envelope.len();
        Some(message)
    }

    fn on_row_acknowledged(&mut self, slot: AgentSlot, row: RowId, out: &mut Vec<Effect>) {
        let recipient = self.did(slot);
        let Some(removed) = self.remove_row(slot, row) else {
            return self.broken("a row in flight is not in the mailbox");
        };
        let RowContent::Message { sender } = removed.content else {
            return self.remove_notice(row, removed.content, out);
        };
        let end = if removed.committed { MessageEnd::DeliveredLate } else { MessageEnd::Delivered };
        self.leave(row, LeavingMessage { sender, recipient, id: removed.id, size: removed.size, end }, out);
    }

    fn on_row_refused_by_recipient(
        &mut self,
        slot: AgentSlot,
        row: RowId,
        reason: RefusalReason,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) {
        let recipient = self.did(slot);
        let Some(removed) = self.remove_row(slot, row) else {
            return self.broken("a row in flight is not in the mailbox");
        };
        let RowContent::Message { sender } = removed.content else {
            return self.remove_notice(row, removed.content, out);
        };
        let id = removed.id;
        if removed.committed {
            let (outcome, reason) = (Outcome::Refused, Some(reason));
            return self.write_notice(
                UndeliveredMessage { sender, recipient, id, outcome, reason, row },
                now,
                out,
            );
        }
        let end = MessageEnd::Refused(reason);
        self.leave(row, LeavingMessage { sender, recipient, id, size: removed.size, end }, out);
    }
}
