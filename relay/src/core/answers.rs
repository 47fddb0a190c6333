//! Answers to senders that wait for the outcome of a message.

use std::sync::Arc;

use protocol::envelope::Class;
use protocol::frame::{Outcome, SendStatus};

use super::dedup::{MessageKey, OpenEntry, SettledState};
use super::send_error::SendError;
use super::{AgentSlot, Core, Effect};

impl Core {
    /// Records the answer of a message that counts from now on, and tells it to the sender if it
    /// waits.
    pub(super) fn answer_sender(
        &mut self,
        key: MessageKey,
        status: SendStatus,
        size: usize,
        out: &mut Vec<Effect>,
    ) {
        if !self.is_undecided(key) {
            return;
        }
        self.meter(key.sender, Class::Reliable, size);
        if let Some((conn, request)) = self.dedup.settle(key, SettledState::Answered(status)) {
            out.push(Effect::Answer { conn, request, status });
        }
    }

    /// Refuses a send that is not in the mailbox. Its id is as good as new afterwards.
    pub(super) fn refuse_and_forget(&mut self, key: MessageKey, error: SendError, out: &mut Vec<Effect>) {
        self.release_sender(key, error, out);
        self.dedup.remove(key);
    }

    /// Tells the sender, if it waits, to try again, while the outcome is still open.
    pub(super) fn release_sender(&mut self, key: MessageKey, error: SendError, out: &mut Vec<Effect>) {
        if let Some((conn, request)) = self.dedup.release(key) {
            out.push(Effect::refusal(conn, request, error));
        }
    }

    /// Records how a message ended that was not promised, and refuses the send if it waits.
    pub(super) fn end_unpromised(
        &mut self,
        key: MessageKey,
        outcome: Outcome,
        error: SendError,
        out: &mut Vec<Effect>,
    ) {
        if !self.is_undecided(key) {
            return;
        }
        if let Some((conn, request)) = self.dedup.settle(key, SettledState::Ended(outcome)) {
            out.push(Effect::refusal(conn, request, error));
        }
    }

    /// Whether the message has no outcome yet. A sender that was removed has no ids.
    fn is_undecided(&mut self, key: MessageKey) -> bool {
        let undecided = self.dedup.open(key).is_some_and(OpenEntry::is_undecided);
        if !undecided && self.agents.agent(key.sender).is_some() {
            self.broken("a message is answered twice");
        }
        undecided
    }

    pub(super) fn did(&self, slot: AgentSlot) -> Arc<str> {
        self.agents.agent(slot).map_or_else(|| "".into(), |agent| agent.did.clone())
    }
}
