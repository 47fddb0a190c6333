//! Deliveries in flight whose messages the store refused, on the recipient's side: each is marked
//! until its recipient settles it or its sender repeats it.

use super::agent_session::MemoryOnly;
use super::dedup::MessageKey;
use super::delivery_window::Content;
use super::recipient_side::RecipientSide;
use super::verdict::Verdict;
use super::{AgentSlot, CoreTime, Effect, RowId, SendRule};

impl RecipientSide {
    /// Marks a delivery whose message the store refused.
    pub(super) fn become_unstored(&mut self, mailbox: AgentSlot, seq: u64, (key, size): (MessageKey, usize)) {
        self.verdicts.push_back(Verdict::Unstored { key, mailbox, seq, size });
        let session = self.session_mut(mailbox);
        if session.and_then(|session| session.window.replace(seq, Content::Unstored(key))).is_none() {
            self.broken.note("a message that the store refused is not in flight");
        }
    }

    /// The store's refusal of a row, whether or not its message is in flight.
    pub(super) fn on_row_refused(
        &mut self,
        mailbox: AgentSlot,
        row: RowId,
        (key, size): (MessageKey, usize),
    ) {
        let session = self.session_mut(mailbox);
        let seq = session.and_then(|session| {
            let seq = session.window.seq_of_row(row)?;
            if let Some(backlog) = session.backlog_mut() {
                backlog.forget(row);
            }
            Some(seq)
        });
        match seq {
            Some(seq) => self.become_unstored(mailbox, seq, (key, size)),
            None => self.verdicts.push_back(Verdict::Refused { key, rule: SendRule::StoreWorks }),
        }
    }

    /// The sender repeats a message in flight. A live recipient's session keeps it in memory again,
    /// any other has it written.
    pub(super) fn take_resent(
        &mut self,
        mailbox: AgentSlot,
        seq: u64,
        message: MemoryOnly,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) {
        self.held_bytes += message.envelope.len();
        let Some(session) = self.session_mut(mailbox) else {
            return self.broken.note("an unstored message is in no session");
        };
        let epoch = session.epoch;
        if let Some(live) = session.live_mut() {
            live.insert(seq, message);
            session.window.replace(seq, Content::MemoryOnly);
            return self.start_ack_grace(mailbox, epoch, seq, now);
        }
        let row = self.write_message(mailbox, &message, now, out);
        if let Some(session) = self.session_mut(mailbox) {
            session.window.replace(seq, Content::Row(row));
            if let Some(backlog) = session.backlog_mut() {
                backlog.mark_ahead(row);
            }
        }
    }
}
