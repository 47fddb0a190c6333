//! A message that is sent again under the same id gets its answer and is not accepted twice.

use super::dedup::{KnownId, MessageKey, OpenState, SettledEntry, SettledState};
use super::may_send::check_unanswered;
use super::send_error::SendError;
use super::{Core, CoreTime, Counter, Effect, SendRule, Submission};

impl Core {
    pub(super) fn accept_resend(
        &mut self,
        key: MessageKey,
        sent: &Submission<'_>,
        now: CoreTime,
        out: &mut Vec<Effect>,
    ) -> Result<(), SendError> {
        let known = self.dedup.find(key, now.steady_ms).ok_or(SendRule::TablesAgree)?;
        out.push(Effect::Count(Counter::Repeated));
        let (conn, request) = (sent.conn, sent.request.clone());
        let state = match known {
            KnownId::Settled(SettledEntry { state: SettledState::Answered(status), .. }) => {
                out.push(Effect::Answer { conn, request, status });
                return Ok(());
            }
            KnownId::Settled(SettledEntry { state: SettledState::Ended(outcome), .. }) => {
                return Err(SendError::ended(outcome));
            }
            KnownId::Open(entry) => &entry.state,
        };
        match state {
            OpenState::Waiting { conn: other, .. } if *other == conn => {
                return Err(SendRule::OneAnswer.into());
            }
            OpenState::Released if self.pending_writes.stalled => {
                return Err(SendRule::StoreAnswers.into());
            }
            OpenState::Released if !self.pending_writes.takes_notices() => {
                return Err(SendRule::StoreWorks.into());
            }
            OpenState::Ending => return Err(SendRule::EndOnDisk.into()),
            OpenState::Waiting { .. } => {}
            OpenState::Released => check_unanswered(self.dedup.waiting(key.sender), &self.limits)?,
        }
        self.dedup.wait(key, (conn, request));
        Ok(())
    }
}
