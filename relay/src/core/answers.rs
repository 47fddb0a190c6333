//! Answers to senders that wait for the outcome of a message.

use std::sync::Arc;

use protocol::frame::{Outcome, SendStatus};

use super::dedup::{AnswerState, MessageKey};
use super::send_error::SendError;
use super::{AgentSlot, Core, Effect};

impl Core {
    /// Records the answer, and tells it to the sender if it waits.
    pub(super) fn answer_sender(&mut self, key: MessageKey, status: SendStatus, out: &mut Vec<Effect>) {
        if self.dedup.entry(key).is_some_and(|entry| !entry.is_open()) {
            return self.broken("a message is answered twice");
        }
        if let Some((conn, request)) = self.dedup.set(key, AnswerState::Answered(status)) {
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
        if let Some((conn, request)) = self.dedup.set(key, AnswerState::Ended(outcome)) {
            out.push(Effect::refusal(conn, request, error));
        }
    }

    pub(super) fn did(&self, slot: AgentSlot) -> Arc<str> {
        self.agents.agent(slot).map_or_else(|| "".into(), |agent| agent.did.clone())
    }
}
