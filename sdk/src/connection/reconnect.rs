//! Decides what follows a disconnect: another attempt, or the end of the agent. Pure.

use std::time::Duration;

use protocol::Reason;
use protocol::close::CloseCode;
use protocol::frame::RpcError;
use protocol::reason::Retry;

use super::disconnect::{Disconnect, closed, closed_by_relay, refused};
use crate::error::{Error, ErrorKind};

/// How long a relay may delay a reconnect. A wrong value must not switch an agent off.
const MAX_RECONNECT_INTERVAL: Duration = Duration::from_secs(60);

/// What the decision depends on besides the disconnect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    pub(super) registered_before: bool,
    pub(super) token_rotates: bool,
    /// Whether a session ended so recently that a relay which does not know the key may be one that
    /// has lost its table, and is being told it again.
    pub(super) registered_recently: bool,
    pub(super) awaits_credentials: bool,
}

impl Circumstances {
    /// Whether unusable credential files may become usable: they were before, or the operator is
    /// about to write them.
    const fn credentials_may_change(self) -> bool {
        self.registered_before || self.awaits_credentials
    }
}

#[derive(Debug)]
pub(super) enum Decision {
    Stop(Error),
    /// Reconnect after this delay, plus the backoff.
    Retry {
        error: Error,
        after: Option<Duration>,
    },
}

/// Stops when no further attempt can succeed: the agent was closed, replaced or suspended, or its
/// credentials or registration are refused for good. Otherwise the agent reconnects, after the
/// delay that the relay asks for.
pub(super) fn decide(disconnect: Disconnect, circumstances: Circumstances) -> Decision {
    match disconnect {
        Disconnect::Closed => Decision::Stop(closed()),
        Disconnect::Fatal(error) | Disconnect::Suspended(error) => Decision::Stop(error),
        Disconnect::Lost(error) if is_local(&error) && !circumstances.credentials_may_change() => {
            Decision::Stop(error)
        }
        Disconnect::Lost(error) => {
            let after = error.retry_after();
            retry(error, after)
        }
        Disconnect::Reregister => {
            retry(Error::new(ErrorKind::Connect, "the agent registers its new keys"), None)
        }
        Disconnect::Goodbye(goodbye) => {
            let attempt = format!("the relay ended the session: {}", goodbye.reason);
            let after = Duration::from_millis(goodbye.reconnect_after_ms);
            retry(Error::new(ErrorKind::Connect, attempt), Some(after))
        }
        Disconnect::ClosedByRelay(code) => after_close(code),
        Disconnect::Unauthorized(error) => {
            let rotates = circumstances.token_rotates && circumstances.credentials_may_change();
            let forgotten = circumstances.registered_recently && error.reason() == Some(Reason::KeyUnknown);
            if rotates || forgotten {
                let after = error.retry_after();
                retry(error, after)
            } else {
                Decision::Stop(error)
            }
        }
        Disconnect::Refused(refusal) => after_refusal(&refusal, circumstances),
    }
}

fn retry(error: Error, after: Option<Duration>) -> Decision {
    Decision::Retry { error, after: after.map(|after| after.min(MAX_RECONNECT_INTERVAL)) }
}

/// Whether the fault is in the agent's own files.
fn is_local(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Config | ErrorKind::KeyFile)
}

fn after_close(code: u16) -> Decision {
    let error = closed_by_relay(code);
    if CloseCode::should_reconnect(code) { retry(error, None) } else { Decision::Stop(error) }
}

fn after_refusal(refusal: &RpcError, circumstances: Circumstances) -> Decision {
    let error = refused(refusal);
    let awaited = circumstances.awaits_credentials && !circumstances.registered_before;
    let suspended = refusal.data.reason == Reason::Suspended;
    if (awaited && !suspended) || is_transient(refusal.data.reason) {
        let after = error.retry_after();
        return retry(error, after);
    }
    Decision::Stop(error)
}

/// Whether a registration may succeed later: the relay says so, or the record is signed again with
/// another time. A clock that is ahead or behind may be set, and another process with the same keys
/// may have registered a newer record.
fn is_transient(reason: Reason) -> bool {
    let Retry::Changed = reason.retry() else { return true };
    matches!(reason, Reason::RecordInFuture | Reason::RecordRollback)
}

#[cfg(test)]
mod tests {
    use protocol::frame::GoodbyeParams;

    use super::*;
    use crate::connection::disconnect::suspended;

    const RUNNING: Circumstances = Circumstances {
        registered_before: true,
        token_rotates: true,
        registered_recently: false,
        awaits_credentials: false,
    };
    const STARTING_PROFILE: Circumstances = Circumstances { registered_before: false, ..RUNNING };
    const STARTING_POD: Circumstances = Circumstances { awaits_credentials: true, ..STARTING_PROFILE };

    fn stops(disconnect: Disconnect, circumstances: Circumstances) -> Option<ErrorKind> {
        match decide(disconnect, circumstances) {
            Decision::Stop(error) => Some(error.kind()),
            Decision::Retry { .. } => None,
        }
    }

    fn unauthorized() -> Disconnect {
        Disconnect::Unauthorized(Error::new(ErrorKind::Unauthorized, "refused"))
    }

    fn refusal(reason: Reason) -> Disconnect {
        Disconnect::Refused(RpcError::new(reason, Some(1500)))
    }

    #[test]
    fn a_newer_session_stops_the_older_one_for_good() {
        assert_eq!(stops(Disconnect::ClosedByRelay(4409), RUNNING), Some(ErrorKind::Replaced));
    }

    #[test]
    fn a_revoked_credential_is_read_again_while_it_may_rotate() {
        assert_eq!(stops(Disconnect::ClosedByRelay(4401), RUNNING), None);
        assert_eq!(stops(unauthorized(), RUNNING), None);
        let fixed = Circumstances { token_rotates: false, ..RUNNING };
        assert_eq!(stops(unauthorized(), fixed), Some(ErrorKind::Unauthorized));
    }

    #[test]
    fn a_fixed_key_is_tried_again_for_a_while_at_a_relay_that_has_lost_its_table() {
        let fixed = Circumstances { token_rotates: false, ..RUNNING };
        let recently = Circumstances { registered_recently: true, ..fixed };
        let refused = |reason| {
            let error = Error::new(ErrorKind::Unauthorized, "refused").with_reason(Some(reason));
            Disconnect::Unauthorized(error)
        };
        assert_eq!(stops(refused(Reason::KeyUnknown), recently), None);
        assert_eq!(stops(refused(Reason::KeyUnknown), fixed), Some(ErrorKind::Unauthorized));
        assert_eq!(stops(refused(Reason::KeyExpired), recently), Some(ErrorKind::Unauthorized));
    }

    #[test]
    fn a_suspension_ends_the_agent_wherever_the_relay_reports_it() {
        for circumstances in [RUNNING, STARTING_PROFILE, STARTING_POD] {
            for disconnect in [
                Disconnect::Suspended(suspended("HTTP 403")),
                Disconnect::ClosedByRelay(4403),
                refusal(Reason::Suspended),
            ] {
                assert_eq!(stops(disconnect, circumstances), Some(ErrorKind::Suspended));
            }
        }
    }

    #[test]
    fn a_wrong_key_stops_a_profile_at_once_and_a_pod_waits_for_the_operator() {
        assert_eq!(stops(unauthorized(), STARTING_PROFILE), Some(ErrorKind::Unauthorized));
        assert_eq!(stops(unauthorized(), STARTING_POD), None);
        assert_eq!(stops(refusal(Reason::Forbidden), STARTING_POD), None);
        assert!(stops(refusal(Reason::Forbidden), STARTING_PROFILE).is_some());
    }

    #[test]
    fn a_token_file_that_is_missing_for_a_moment_does_not_end_a_running_agent() {
        let missing = || Disconnect::Lost(Error::new(ErrorKind::Config, "cannot read the API key"));
        assert_eq!(stops(missing(), RUNNING), None);
        assert_eq!(stops(missing(), STARTING_POD), None);
        assert_eq!(stops(missing(), STARTING_PROFILE), Some(ErrorKind::Config));
    }

    #[test]
    fn a_did_that_belongs_to_another_key_stops_the_agent() {
        let kind = stops(refusal(Reason::KeyConflict), RUNNING);
        assert_eq!(kind, Some(ErrorKind::Registration(Reason::KeyConflict)));
    }

    #[test]
    fn a_record_is_signed_again_until_the_relay_takes_its_time() {
        for reason in [Reason::RecordRollback, Reason::RecordInFuture] {
            assert_eq!(stops(refusal(reason), RUNNING), None, "the clock may be set");
        }
    }

    #[test]
    fn the_relays_reconnect_delay_is_followed_up_to_a_limit() {
        let goodbye =
            |ms| Disconnect::Goodbye(GoodbyeParams { reason: "drain".into(), reconnect_after_ms: ms });
        let after = |disconnect| match decide(disconnect, RUNNING) {
            Decision::Retry { after, .. } => after,
            Decision::Stop(_) => None,
        };
        assert_eq!(after(goodbye(1500)), Some(Duration::from_millis(1500)));
        assert_eq!(after(goodbye(u64::MAX)), Some(MAX_RECONNECT_INTERVAL));
        assert_eq!(after(refusal(Reason::RateLimited)), Some(Duration::from_millis(1500)));
        let full = Error::new(ErrorKind::Connect, "the relay is full");
        let full = Disconnect::Lost(full.retrying_after(Some(Duration::from_secs(7))));
        assert_eq!(after(full), Some(Duration::from_secs(7)));
        assert_eq!(MAX_RECONNECT_INTERVAL, Duration::from_secs(60), "docs/client-behaviour.md says so");
    }
}
