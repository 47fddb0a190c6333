//! Answers to senders that wait for the outcome of a message.

use std::sync::Arc;
use std::time::Duration;

use protocol::Reason;
use protocol::frame::SendStatus;

use super::dedup::MessageKey;
use super::limits::{OVERLOAD_RETRY_INTERVAL, STORAGE_RETRY_INTERVAL};
use super::{AgentSlot, Core, Effect};

impl Core {
    /// Answers the sender if it still waits. Only the first answer counts.
    pub(super) fn answer_sender(&mut self, key: MessageKey, status: SendStatus, out: &mut Vec<Effect>) {
        let Some((conn, request)) = self.dedup.answer(key, status) else { return };
        self.count_answer(key.sender);
        out.push(Effect::Answer { conn, request, status });
    }

    /// Answers the sender with an error if it still waits.
    pub(super) fn refuse_sender(&mut self, key: MessageKey, reason: Reason, out: &mut Vec<Effect>) {
        let Some((conn, request)) = self.dedup.release(key) else { return };
        self.count_answer(key.sender);
        out.push(Effect::Refuse { conn, request, reason, retry_after: retry_after(reason), quota: None });
    }

    fn count_answer(&mut self, sender: AgentSlot) {
        if let Some(agent) = self.agents.agent_mut(sender) {
            agent.unanswered = agent.unanswered.saturating_sub(1);
        }
    }

    pub(super) fn did(&self, slot: AgentSlot) -> Arc<str> {
        self.agents.agent(slot).map_or_else(|| "".into(), |agent| agent.did.clone())
    }
}

const fn retry_after(reason: Reason) -> Option<Duration> {
    match reason {
        Reason::StorageUnavailable => Some(STORAGE_RETRY_INTERVAL),
        Reason::Overloaded => Some(OVERLOAD_RETRY_INTERVAL),
        _ => None,
    }
}
