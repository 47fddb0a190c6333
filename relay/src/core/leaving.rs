//! Messages whose end is known and whose row is on disk, or on its way there. Their senders are
//! told when the removal of the row is on disk: a crash brings back no message of which somebody
//! was told that it had ended.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::envelope::MessageId;
use protocol::frame::{Outcome, SendStatus};
use protocol::refusal::RefusalReason;

use super::dedup::MessageKey;
use super::send_error::SendError;
use super::{AgentSlot, Core, CoreTime, Effect, RowId, SendRule, Write};

/// Bounded by the mailboxes: each entry was a row of one, and goes with the next good commit.
#[derive(Debug, Default)]
pub(super) struct LeavingMessages {
    by_row: HashMap<RowId, LeavingMessage>,
}

#[derive(Debug)]
pub(super) struct LeavingMessage {
    /// `None` if the sender was removed since.
    pub(super) sender: Option<AgentSlot>,
    pub(super) recipient: Arc<str>,
    pub(super) id: MessageId,
    pub(super) size: u32,
    pub(super) end: MessageEnd,
}

/// How a message ended without a notice in its sender's mailbox.
#[derive(Debug, Clone, Copy)]
pub(super) enum MessageEnd {
    /// The sender had the answer `stored`.
    DeliveredLate,
    Delivered,
    Refused(RefusalReason),
    RecipientRemoved,
}

impl MessageEnd {
    /// What the store remembers with the id.
    const fn outcome(self) -> Option<Outcome> {
        match self {
            Self::DeliveredLate | Self::Delivered => Some(Outcome::Delivered),
            Self::Refused(_) => Some(Outcome::Refused),
            Self::RecipientRemoved => None,
        }
    }
}

impl LeavingMessages {
    /// The messages whose senders have no answer yet.
    pub(super) fn open(&self) -> impl Iterator<Item = MessageKey> {
        let open = self.by_row.values().filter(|message| !matches!(message.end, MessageEnd::DeliveredLate));
        open.filter_map(|message| Some(MessageKey { sender: message.sender?, id: message.id }))
    }
}

impl Core {
    /// Removes the row of a message that has left its mailbox. Its sender is told after the commit.
    pub(super) fn leave(&mut self, row: RowId, message: LeavingMessage, out: &mut Vec<Effect>) {
        out.push(Effect::Write(Write::Remove { row, outcome: message.end.outcome() }));
        let Some(sender) = message.sender else { return };
        let key = MessageKey { sender, id: message.id };
        self.leaving.by_row.insert(row, message);
        if !self.pending_writes.takes_notices() {
            self.release_sender(key, SendRule::StoreWorks.into(), out);
        } else if self.pending_writes.stalled {
            self.release_sender(key, SendRule::StoreAnswers.into(), out);
        }
    }

    /// The store has removed these rows, some of which belonged to notices.
    pub(super) fn on_rows_removed(&mut self, rows: &[RowId], now: CoreTime, out: &mut Vec<Effect>) {
        self.pending_writes.stalled = false;
        for row in rows {
            if let Some(message) = self.leaving.by_row.remove(row) {
                self.tell_end(&message, now, out);
            }
        }
    }

    /// Nobody waits for a removal that does not come.
    pub(super) fn release_leaving(&mut self, error: SendError, out: &mut Vec<Effect>) {
        let open: Vec<MessageKey> = self.leaving.open().collect();
        for key in open {
            self.release_sender(key, error, out);
        }
    }

    fn tell_end(&mut self, message: &LeavingMessage, now: CoreTime, out: &mut Vec<Effect>) {
        let Some(sender) = message.sender else { return };
        let key = MessageKey { sender, id: message.id };
        match message.end {
            MessageEnd::DeliveredLate => {
                self.dedup.stored_was_delivered(key);
                self.notify_delivered(message, now, out);
            }
            MessageEnd::Delivered => {
                self.answer_sender(key, SendStatus::Delivered, message.size as usize, out);
            }
            MessageEnd::Refused(reason) => {
                self.end_unpromised(key, Outcome::Refused, SendError::refused(reason), out);
            }
            MessageEnd::RecipientRemoved => self.refuse_and_forget(key, SendRule::RecipientStays.into(), out),
        }
    }

    /// A best-effort notice: it reaches the sender only while the sender is connected.
    fn notify_delivered(&self, message: &LeavingMessage, now: CoreTime, out: &mut Vec<Effect>) {
        let session = message.sender.and_then(|sender| self.agents.session(sender));
        let Some((conn, epoch)) = session.map(|session| (session.conn, session.epoch)) else { return };
        let (id, to, outcome, at) =
            (message.id, Arc::clone(&message.recipient), Outcome::Delivered, now.unix);
        out.push(Effect::Notice { conn, epoch, seq: 0, id, to, outcome, reason: None, at, missed: 0 });
    }
}
