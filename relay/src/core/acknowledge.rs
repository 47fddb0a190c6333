//! Acknowledgements and refusals: a recipient has processed its deliveries up to a sequence number,
//! or will never process one of them.

use protocol::frame::{Outcome, SendStatus};
use protocol::refusal::RefusalReason;

use super::agent_mailbox::{RowContent, UndeliveredMessage};
use super::agent_session::MemoryOnly;
use super::delivery_window::Content;
use super::leaving::{LeavingMessage, MessageEnd};
use super::recipient_side::RecipientSide;
use super::verdict::Verdict;
use super::{AgentSlot, CoreTime, Effect, RowId};

impl RecipientSide {
    pub(super) fn acknowledge(&mut self, slot: AgentSlot, seq: u64, now: CoreTime, out: &mut Vec<Effect>) {
        while let Some((popped, content)) = self.pop_upto(slot, seq) {
            self.on_acknowledged(slot, popped, content, out);
        }
        self.deliver_backlog(slot, now, out);
    }

    /// The recipient will never process this one delivery. Its sender is told so, and never that
    /// it was delivered.
    pub(super) fn refuse_delivery(
        &mut self,
        slot: AgentSlot,
        seq: u64,
        reason: RefusalReason,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) {
        let settled = self.session_mut(slot).and_then(|session| session.window.settle(seq));
        match settled {
            None | Some(Content::Nowhere) => {}
            Some(Content::MemoryOnly) => {
                if let Some(MemoryOnly { key, .. }) = self.take_from_memory(slot, seq) {
                    self.verdicts.push_back(Verdict::RefusedByRecipient { key, reason });
                }
            }
            Some(Content::Unstored(key)) => {
                self.verdicts.push_back(Verdict::UnstoredSettled { key, outcome: Outcome::Refused });
            }
            Some(Content::Row(row)) => self.on_row_refused_by_recipient(slot, row, reason, out),
        }
        self.deliver_backlog(slot, now, out);
    }

    fn pop_upto(&mut self, slot: AgentSlot, seq: u64) -> Option<(u64, Content)> {
        self.session_mut(slot)?.window.pop_upto(seq)
    }

    fn on_acknowledged(&mut self, slot: AgentSlot, seq: u64, content: Content, out: &mut Vec<Effect>) {
        match content {
            Content::MemoryOnly => {
                if let Some(MemoryOnly { key, envelope, .. }) = self.take_from_memory(slot, seq) {
                    let (status, size) = (SendStatus::Delivered, envelope.len());
                    self.verdicts.push_back(Verdict::Accepted { key, status, size });
                }
            }
            Content::Row(row) => self.on_row_acknowledged(slot, row, out),
            Content::Unstored(key) => {
                self.verdicts.push_back(Verdict::UnstoredSettled { key, outcome: Outcome::Delivered });
            }
            Content::Nowhere => {}
        }
    }

    /// Takes a message out of memory that was settled before it was written.
    fn take_from_memory(&mut self, slot: AgentSlot, seq: u64) -> Option<MemoryOnly> {
        let live = self.session_mut(slot).and_then(|session| session.live_mut());
        let Some(message) = live.and_then(|live| live.take(seq)) else {
            self.broken.note("a delivery that is only in memory is not there");
            return None;
        };
        self.held_bytes -= message.envelope.len();
        Some(message)
    }

    fn on_row_acknowledged(&mut self, slot: AgentSlot, row: RowId, out: &mut Vec<Effect>) {
        let recipient = self.did(slot);
        let Some(removed) = self.remove_row(slot, row) else {
            return self.broken.note("a row in flight is not in the mailbox");
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
        out: &mut Vec<Effect>,
    ) {
        let recipient = self.did(slot);
        let Some(removed) = self.remove_row(slot, row) else {
            return self.broken.note("a row in flight is not in the mailbox");
        };
        let RowContent::Message { sender } = removed.content else {
            return self.remove_notice(row, removed.content, out);
        };
        let id = removed.id;
        if removed.committed {
            let (outcome, reason) = (Outcome::Refused, Some(reason));
            let refused = UndeliveredMessage { sender, recipient, id, outcome, reason, row };
            return self.verdicts.push_back(Verdict::Undelivered(refused));
        }
        let end = MessageEnd::Refused(reason);
        self.leave(row, LeavingMessage { sender, recipient, id, size: removed.size, end }, out);
    }
}
