//! Acknowledgements: a recipient has processed its deliveries up to a sequence number.

use protocol::close::CloseCode;
use protocol::envelope::MessageId;
use protocol::frame::{Outcome, SendStatus};

use super::agent::RowContent;
use super::dedup::MessageKey;
use super::delivery_window::Content;
use super::{AgentSlot, ConnId, Core, Effect, Now, RowId, Write};

impl Core {
    /// Only the session of this epoch on this connection can acknowledge; anything else has no
    /// effect.
    pub(super) fn acknowledge(
        &mut self,
        conn: ConnId,
        epoch: u64,
        seq: u64,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(slot) = self.sessions.get(&conn).copied() else { return };
        let session = self.agents.session(slot).filter(|s| s.conn == conn && s.epoch == epoch);
        let Some(session) = session else { return };
        if seq > session.last_seq() {
            out.push(Effect::Close { conn, code: CloseCode::Policy });
            return self.close_connection(conn, now, out);
        }
        while let Some(content) = self.pop_acknowledged(slot, seq) {
            match content {
                Content::MemoryOnly(message) => {
                    self.held_bytes -= message.envelope.len();
                    self.answer_sender(message.key, SendStatus::Delivered, out);
                }
                Content::Row(row) => self.on_row_acknowledged(slot, row, now, out),
                Content::Unstored(message) => self.answer_sender(message, SendStatus::Delivered, out),
                Content::Ephemeral => {}
            }
        }
        self.deliver_backlog(slot, out);
    }

    fn pop_acknowledged(&mut self, slot: AgentSlot, seq: u64) -> Option<Content> {
        let session = self.agents.session_mut(slot)?;
        session.pop_upto(seq).map(|delivery| delivery.content)
    }

    fn on_row_acknowledged(&mut self, slot: AgentSlot, row: RowId, now: Now, out: &mut Vec<Effect>) {
        let Some(removed) = self.remove_row(slot, row) else { return };
        out.push(Effect::Write(Write::Remove { row }));
        let RowContent::Message { sender: Some(sender) } = removed.content else { return };
        if removed.committed {
            self.notify_delivered(sender, slot, removed.id, now, out);
        } else {
            self.answer_sender(MessageKey { sender, id: removed.id }, SendStatus::Delivered, out);
        }
    }

    /// A best-effort notice: it reaches the sender only while the sender is connected.
    fn notify_delivered(
        &self,
        sender: AgentSlot,
        recipient: AgentSlot,
        id: MessageId,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(session) = self.agents.session(sender) else { return };
        let (conn, epoch, to) = (session.conn, session.epoch, self.did(recipient));
        out.push(Effect::Notice { conn, epoch, seq: 0, id, to, outcome: Outcome::Delivered, at: now.unix });
    }
}
