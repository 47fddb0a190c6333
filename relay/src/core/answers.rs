//! Answers to senders that wait for the outcome of a message.

use std::sync::Arc;
use std::time::Duration;

use protocol::Reason;
use protocol::frame::{Outcome, SendStatus};
use protocol::quota::{Quota, QuotaName};
use protocol::refusal::RefusalReason;

use super::dedup::{AnswerState, MessageKey};
use super::limits::{OVERLOAD_RETRY_INTERVAL, STORAGE_RETRY_INTERVAL};
use super::{AgentSlot, ConnId, Core, Effect, RequestId};

/// Why a request is refused, and when a retry makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendError {
    pub reason: Reason,
    pub retry_after: Option<Duration>,
    /// The quota that is used up, if one is.
    pub quota: Option<Quota>,
    /// Why the recipient refused the message.
    pub refusal: Option<RefusalReason>,
    /// How the message with this id ended.
    pub outcome: Option<Outcome>,
}

impl SendError {
    pub(super) const fn retry_later(reason: Reason, interval: Duration) -> Self {
        Self { reason, retry_after: Some(interval), quota: None, refusal: None, outcome: None }
    }

    pub(super) const fn overloaded() -> Self {
        Self::retry_later(Reason::Overloaded, OVERLOAD_RETRY_INTERVAL)
    }

    pub(super) const fn storage_unavailable() -> Self {
        Self::retry_later(Reason::StorageUnavailable, STORAGE_RETRY_INTERVAL)
    }

    pub(super) fn ended(outcome: Outcome) -> Self {
        Self { outcome: Some(outcome), ..Reason::Ended.into() }
    }

    pub(super) fn refused(reason: RefusalReason) -> Self {
        Self { refusal: Some(reason), ..Reason::Refused.into() }
    }

    pub(super) const fn with_quota(self, name: QuotaName, limit: u64, current: u64) -> Self {
        Self { quota: Some(Quota::of_default_plan(name, limit, current)), ..self }
    }

    pub(super) fn into_effect(self, conn: ConnId, request: RequestId) -> Effect {
        Effect::Refuse { conn, request, error: Box::new(self) }
    }
}

impl From<Reason> for SendError {
    fn from(reason: Reason) -> Self {
        Self { reason, retry_after: None, quota: None, refusal: None, outcome: None }
    }
}

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
            out.push(error.into_effect(conn, request));
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
            out.push(error.into_effect(conn, request));
        }
    }

    pub(super) fn did(&self, slot: AgentSlot) -> Arc<str> {
        self.agents.agent(slot).map_or_else(|| "".into(), |agent| agent.did.clone())
    }
}
