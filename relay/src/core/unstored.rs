//! The messages in flight that the store refused. Their senders got an error, and the recipients
//! may acknowledge them all the same.
//!
//! This table alone owns them: their ids are in it, and not in the deduplication table. They leave
//! by the recipient's acknowledgement, by a repetition, or with the recipient's session.

use foldhash::HashMap;
use protocol::envelope::Class;
use protocol::frame::{Outcome, SendStatus};

use super::dedup::{MessageKey, SettledState};
use super::delivery_window::Content;
use super::send_error::SendError;
use super::{AgentSlot, Core, CoreTime, Counter, Effect, RowId, SendRule, Submission};

/// Bounded by the delivery windows: each entry is a delivery in flight.
#[derive(Debug, Default)]
pub(super) struct UnstoredMessages {
    by_key: HashMap<MessageKey, UnstoredMessage>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct UnstoredMessage {
    pub(super) mailbox: AgentSlot,
    pub(super) seq: u64,
    pub(super) digest: u64,
    size: usize,
}

impl UnstoredMessages {
    pub(super) fn get(&self, key: MessageKey) -> Option<UnstoredMessage> {
        self.by_key.get(&key).copied()
    }

    pub(super) fn forget(&mut self, key: MessageKey) {
        self.by_key.remove(&key);
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&MessageKey, &UnstoredMessage)> {
        self.by_key.iter()
    }
}

impl Core {
    /// Takes over a delivery whose message the store refused.
    pub(super) fn become_unstored(
        &mut self,
        mailbox: AgentSlot,
        seq: u64,
        (key, size): (MessageKey, usize),
        out: &mut Vec<Effect>,
    ) {
        self.release_sender(key, SendRule::StoreWorks.into(), out);
        let content = match self.dedup.remove(key) {
            Some(digest) => {
                self.unstored.by_key.insert(key, UnstoredMessage { mailbox, seq, digest, size });
                Content::Unstored(key)
            }
            // The sender was removed and will not repeat it.
            None => Content::Nowhere,
        };
        let session = self.agents.session_mut(mailbox);
        if session.and_then(|session| session.window.replace(seq, content)).is_none() {
            self.broken("a message that the store refused is not in flight");
        }
    }

    /// The store's refusal of a row, whether or not its message is in flight.
    pub(super) fn on_row_refused(
        &mut self,
        mailbox: AgentSlot,
        row: RowId,
        (key, size): (MessageKey, usize),
        out: &mut Vec<Effect>,
    ) {
        let session = self.agents.session_mut(mailbox);
        let seq = session.and_then(|session| {
            let seq = session.window.seq_of_row(row)?;
            if let Some(backlog) = session.backlog_mut() {
                backlog.forget(row);
            }
            Some(seq)
        });
        match seq {
            Some(seq) => self.become_unstored(mailbox, seq, (key, size), out),
            None => self.refuse_and_forget(key, SendRule::StoreWorks.into(), out),
        }
    }

    /// The recipient settled a message that its sender believes refused. A repetition learns it.
    pub(super) fn settle_unstored(&mut self, key: MessageKey, outcome: Outcome, now: CoreTime) {
        let Some(message) = self.unstored.by_key.remove(&key) else {
            return self.broken("an unstored delivery has no entry");
        };
        let state = match outcome {
            Outcome::Delivered => SettledState::Answered(SendStatus::Delivered),
            ended => SettledState::Ended(ended),
        };
        if self.agents.agent(key.sender).is_some() && self.dedup.make_room(key.sender, now.steady_ms) {
            self.dedup.insert_settled(key, message.digest, state, now.steady_ms);
            if outcome == Outcome::Delivered {
                self.meter(key.sender, Class::Reliable, message.size);
            }
        }
    }

    /// The sender tries again. A live recipient's session keeps the message in memory again, any
    /// other has it written; it stays in flight under its number.
    pub(super) fn resend_unstored(
        &mut self,
        key: MessageKey,
        unstored: UnstoredMessage,
        sent: &Submission<'_>,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) -> Result<(), SendError> {
        self.remember_waiting(key, unstored.digest, sent, now)?;
        self.unstored.forget(key);
        out.push(Effect::Count(Counter::Repeated));
        let UnstoredMessage { mailbox, seq, .. } = unstored;
        let message = self.hold(key, sent, now);
        let Some(session) = self.agents.session_mut(mailbox) else {
            self.broken("an unstored message is in no session");
            return Ok(());
        };
        let epoch = session.epoch;
        if let Some(live) = session.live_mut() {
            live.insert(seq, message);
            session.window.replace(seq, Content::MemoryOnly);
            self.start_ack_grace(mailbox, epoch, seq, now);
            return Ok(());
        }
        let row = self.write_message(mailbox, &message, now, out);
        if let Some(session) = self.agents.session_mut(mailbox) {
            session.window.replace(seq, Content::Row(row));
            if let Some(backlog) = session.backlog_mut() {
                backlog.mark_ahead(row);
            }
        }
        Ok(())
    }
}
