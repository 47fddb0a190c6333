//! The messages in flight that the store refused. Their senders got an error, and the recipients
//! may acknowledge them all the same.
//!
//! This table alone owns them: their ids are in it, and not in the deduplication table. They leave
//! by the recipient's acknowledgement, by a repetition, or with the recipient's session.

use foldhash::HashMap;
use protocol::envelope::Class;
use protocol::frame::{Outcome, SendStatus};

use super::dedup::{MessageKey, SettledState};
use super::send_error::SendError;
use super::sender_side::SenderSide;
use super::verdict::Handoff;
use super::{AgentSlot, CoreTime, Counter, Effect, SendRule, Submission};

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

impl SenderSide {
    /// Takes over a delivery whose message the store refused.
    pub(super) fn become_unstored(
        &mut self,
        key: MessageKey,
        (mailbox, seq): (AgentSlot, u64),
        size: usize,
        out: &mut Vec<Effect>,
    ) {
        self.release_sender(key, SendRule::StoreWorks, out);
        // A sender that was removed will not repeat it.
        if let Some(digest) = self.dedup.remove(key) {
            self.unstored.by_key.insert(key, UnstoredMessage { mailbox, seq, digest, size });
        }
    }

    /// The recipient settled a message that its sender believes refused. A repetition learns it.
    pub(super) fn settle_unstored(&mut self, key: MessageKey, outcome: Outcome, now: CoreTime) {
        let known = self.accounts.get(key.sender).is_some();
        let Some(message) = self.unstored.by_key.remove(&key) else {
            if known {
                self.broken.note("an unstored delivery has no entry");
            }
            return;
        };
        let state = match outcome {
            Outcome::Delivered => SettledState::Answered(SendStatus::Delivered),
            ended => SettledState::Ended(ended),
        };
        if known && self.dedup.make_room(key.sender, now.steady_ms) {
            self.dedup.insert_settled(key, message.digest, state, now.steady_ms);
            if outcome == Outcome::Delivered {
                self.meter(key.sender, Class::Reliable, message.size);
            }
        }
    }

    /// The sender tries again. The message stays in flight under its number.
    pub(super) fn resend_unstored(
        &mut self,
        key: MessageKey,
        unstored: UnstoredMessage,
        sent: &Submission<'_>,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) -> Result<Handoff, SendError> {
        let message = self.accept_new(key, unstored.digest, sent, now)?;
        self.unstored.forget(key);
        out.push(Effect::Count(Counter::Repeated));
        let UnstoredMessage { mailbox, seq, .. } = unstored;
        Ok(Handoff::Resent { mailbox, seq, message })
    }
}
