//! A message that is sent again under the same id gets the same answer and is not accepted twice.

use protocol::Reason;

use super::accept::SendError;
use super::dedup::{AnswerState, MessageKey};
use super::limits::OVERLOAD_RETRY_INTERVAL;
use super::{AgentSlot, Core, Counter, Effect, Now, Submission};

impl Core {
    pub(super) fn accept_resend(
        &mut self,
        key: MessageKey,
        digest: u64,
        recipient: AgentSlot,
        sent: &Submission<'_>,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), SendError> {
        let entry = self.dedup.entry_mut(key).ok_or(Reason::Internal)?;
        if entry.digest != digest {
            return Err(Reason::DuplicateId.into());
        }
        let (conn, request) = (sent.conn, sent.request.clone());
        match &entry.state {
            AnswerState::Answered(status) => out.push(Effect::Answer { conn, request, status: *status }),
            // Every request gets one answer, so the second on a connection has to come after the
            // answer to the first.
            AnswerState::Waiting { conn: other, .. } if *other == conn => {
                return Err(SendError::retry_later(Reason::Overloaded, OVERLOAD_RETRY_INTERVAL));
            }
            AnswerState::Waiting { .. } => entry.state = AnswerState::Waiting { conn, request },
            AnswerState::Released => {
                entry.state = AnswerState::Waiting { conn, request };
                self.hold_again(key, recipient, sent, now);
            }
        }
        out.push(Effect::Count(Counter::Repeated));
        Ok(())
    }

    /// The store refused this message while it was in flight, and now its sender tries again.
    fn hold_again(&mut self, key: MessageKey, recipient: AgentSlot, sent: &Submission<'_>, now: Now) {
        let message = self.hold(key, sent, now);
        let Some(session) = self.agents.session_mut(recipient) else { return };
        let Some(seq) = session.unstored_seq(key) else { return };
        let epoch = session.epoch;
        session.restore_memory_only(seq, message);
        self.start_ack_grace(recipient, epoch, seq, now);
    }
}
