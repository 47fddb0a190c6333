//! A message that is sent again under the same id gets its answer and is not accepted twice.

use super::dedup::{AnswerState, MessageKey};
use super::may_send::check_unanswered;
use super::send_error::SendError;
use super::{Core, Counter, Effect, SendRule, Submission};

impl Core {
    pub(super) fn accept_resend(
        &mut self,
        key: MessageKey,
        sent: &Submission<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), SendError> {
        let entry = self.dedup.entry(key).ok_or(SendRule::TablesAgree)?;
        out.push(Effect::Count(Counter::Repeated));
        let (conn, request) = (sent.conn, sent.request.clone());
        match &entry.state {
            AnswerState::Answered(status) => out.push(Effect::Answer { conn, request, status: *status }),
            AnswerState::Ended(outcome) => return Err(SendError::ended(*outcome)),
            // Every request gets one answer, so the second on a connection has to come after the
            // answer to the first.
            AnswerState::Waiting { conn: other, .. } if *other == conn => {
                return Err(SendRule::OneAnswer.into());
            }
            AnswerState::Released if self.pending_writes.stalled => {
                return Err(SendRule::StoreAnswers.into());
            }
            AnswerState::Released if !self.pending_writes.takes_notices() => {
                return Err(SendRule::StoreWorks.into());
            }
            // How it ended is said when it is on disk.
            AnswerState::Ending => return Err(SendRule::EndOnDisk.into()),
            AnswerState::Waiting { .. } => {
                self.dedup.set(key, AnswerState::Waiting { conn, request });
            }
            AnswerState::Released => {
                check_unanswered(self.dedup.waiting(key.sender), &self.limits)?;
                self.dedup.set(key, AnswerState::Waiting { conn, request });
            }
        }
        Ok(())
    }
}
