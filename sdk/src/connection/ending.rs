//! Why a session ended, and what follows: another attempt, or the end of the agent. Pure.

use std::time::Duration;

use protocol::Reason;
use protocol::close::CloseCode;
use protocol::frame::{GoodbyeParams, RpcError};

use super::closed;
use crate::{Error, ErrorKind};

#[derive(Debug)]
pub(super) enum Ending {
    /// The application wanted it.
    Closed,
    /// A new record is to be registered.
    Reregister,
    /// The relay said when to come back.
    Goodbye(GoodbyeParams),
    /// The relay closed with this code.
    ClosedByRelay(u16),
    /// The relay does not take the API key.
    Unauthorized(Error),
    /// The relay keeps this agent, or its tenant, out until an admin lets it in again.
    Suspended(Error),
    /// The relay refused challenge or registration.
    Refused(RpcError),
    /// No connection, or it broke.
    Lost(Error),
    /// Trying again cannot help.
    Fatal(Error),
}

/// What the decision depends on besides the ending.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    pub(super) registered_before: bool,
    pub(super) token_rotates: bool,
    pub(super) awaits_credentials: bool,
}

impl Circumstances {
    /// Whether files that are wrong now are worth waiting for: they were right before, or somebody is about to write them.
    const fn waits(self) -> bool {
        self.registered_before || self.awaits_credentials
    }
}

#[derive(Debug)]
pub(super) enum Next {
    Stop(Error),
    /// After the hinted time and a random delay.
    Retry {
        error: Error,
        after: Option<Duration>,
    },
}

/// The longest a relay's hint is followed; a wrong one must not switch an agent off.
const HINT_MAX: Duration = Duration::from_secs(60);

pub(super) fn decide(ending: Ending, circumstances: Circumstances) -> Next {
    let retry = |error, after: Option<Duration>| Next::Retry { error, after: after.map(|d| d.min(HINT_MAX)) };
    match ending {
        Ending::Closed => Next::Stop(closed()),
        Ending::Fatal(error) | Ending::Suspended(error) => Next::Stop(error),
        Ending::Lost(error) if local(&error) && !circumstances.waits() => Next::Stop(error),
        Ending::Lost(error) => retry(error, None),
        Ending::Reregister => retry(Error::new(ErrorKind::Connect, "the agent registers its new keys"), None),
        Ending::Goodbye(hint) => {
            let error = Error::new(ErrorKind::Connect, format!("the relay said goodbye: {}", hint.reason));
            retry(error, Some(Duration::from_millis(hint.reconnect_after_ms)))
        }
        Ending::ClosedByRelay(code) => after_close(code),
        Ending::Unauthorized(error) => {
            if circumstances.token_rotates && circumstances.waits() {
                retry(error, None)
            } else {
                Next::Stop(error)
            }
        }
        Ending::Refused(refusal) => after_refusal(&refusal, circumstances),
    }
}

/// The fault is in the agent's own files.
fn local(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Config | ErrorKind::KeyFile)
}

fn after_close(code: u16) -> Next {
    let error = closed_by_relay(code);
    if CloseCode::should_reconnect(code) { Next::Retry { error, after: None } } else { Next::Stop(error) }
}

fn after_refusal(refusal: &RpcError, circumstances: Circumstances) -> Next {
    let error = refused(refusal);
    let awaited = circumstances.awaits_credentials && !circumstances.registered_before;
    let suspended = refusal.data.reason == Reason::Suspended;
    if (awaited && !suspended) || passing(refusal.data.reason) {
        return Next::Retry { after: error.retry_after().map(|d| d.min(HINT_MAX)), error };
    }
    Next::Stop(error)
}

/// Refusals that go away by themselves.
fn passing(reason: Reason) -> bool {
    use Reason::{ChallengeUnknown, Draining, Internal, Overloaded, RateLimited, StorageUnavailable};
    matches!(reason, ChallengeUnknown | Draining | Internal | Overloaded | RateLimited | StorageUnavailable)
}

fn refused(refusal: &RpcError) -> Error {
    if refusal.data.reason == Reason::Suspended {
        return suspended("it refused the registration");
    }
    Error::new(ErrorKind::Registration(refusal.data.reason), "the relay refused the registration")
        .caused_by(refusal.data.reason.as_str())
        .retrying_after(refusal.data.retry_after_ms.map(Duration::from_millis))
}

/// Whoever runs the agent decides how long to wait for the end of it; trying at the pace of a broken network would be no use.
pub(super) fn suspended(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Suspended, "the agent is suspended at the relay").caused_by(cause)
}

fn closed_by_relay(code: u16) -> Error {
    let error = |kind, attempt: &str| Error::new(kind, attempt).caused_by(format!("close code {code}"));
    if code == CloseCode::Replaced.number() {
        return error(ErrorKind::Replaced, "a newer session of the same DID took over")
            .advising("run one agent per DID; stop the other one, or give this one its own DID");
    }
    if code == CloseCode::Suspended.number() {
        return suspended(format!("close code {code}"));
    }
    error(ErrorKind::Connect, "the relay closed the connection")
}

impl Ending {
    /// As the error of an agent that ends now.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Closed | Self::Reregister | Self::Goodbye(_) => closed(),
            Self::ClosedByRelay(code) => closed_by_relay(code),
            Self::Refused(refusal) => refused(&refusal),
            Self::Unauthorized(error) | Self::Suspended(error) | Self::Lost(error) | Self::Fatal(error) => {
                error
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: Circumstances =
        Circumstances { registered_before: true, token_rotates: true, awaits_credentials: false };
    const STARTING_PROFILE: Circumstances = Circumstances { registered_before: false, ..RUNNING };
    const STARTING_POD: Circumstances = Circumstances { awaits_credentials: true, ..STARTING_PROFILE };

    fn stops(ending: Ending, circumstances: Circumstances) -> Option<ErrorKind> {
        match decide(ending, circumstances) {
            Next::Stop(error) => Some(error.kind()),
            Next::Retry { .. } => None,
        }
    }

    fn unauthorized() -> Ending {
        Ending::Unauthorized(Error::new(ErrorKind::Unauthorized, "refused"))
    }

    fn refusal(reason: Reason) -> Ending {
        Ending::Refused(RpcError::new(reason, Some(1500)))
    }

    #[test]
    fn a_newer_session_stops_the_older_one_for_good() {
        assert_eq!(stops(Ending::ClosedByRelay(4409), RUNNING), Some(ErrorKind::Replaced));
    }

    #[test]
    fn a_revoked_credential_is_read_again_while_it_may_rotate() {
        assert_eq!(stops(Ending::ClosedByRelay(4401), RUNNING), None);
        assert_eq!(stops(unauthorized(), RUNNING), None);
        let fixed = Circumstances { token_rotates: false, ..RUNNING };
        assert_eq!(stops(unauthorized(), fixed), Some(ErrorKind::Unauthorized));
    }

    #[test]
    fn a_suspended_agent_ends_and_says_so_wherever_the_relay_says_it() {
        for circumstances in [RUNNING, STARTING_PROFILE, STARTING_POD] {
            for ending in [
                Ending::Suspended(suspended("HTTP 403")),
                Ending::ClosedByRelay(4403),
                refusal(Reason::Suspended),
            ] {
                assert_eq!(stops(ending, circumstances), Some(ErrorKind::Suspended));
            }
        }
    }

    #[test]
    fn a_person_learns_at_once_that_the_key_is_wrong_and_a_pod_waits_for_the_operator() {
        assert_eq!(stops(unauthorized(), STARTING_PROFILE), Some(ErrorKind::Unauthorized));
        assert_eq!(stops(unauthorized(), STARTING_POD), None);
        assert_eq!(stops(refusal(Reason::Forbidden), STARTING_POD), None);
        assert!(stops(refusal(Reason::Forbidden), STARTING_PROFILE).is_some());
    }

    #[test]
    fn a_token_file_that_is_missing_for_a_moment_does_not_end_a_running_agent() {
        let missing = || Ending::Lost(Error::new(ErrorKind::Config, "cannot read the API key"));
        assert_eq!(stops(missing(), RUNNING), None);
        assert_eq!(stops(missing(), STARTING_POD), None);
        assert_eq!(stops(missing(), STARTING_PROFILE), Some(ErrorKind::Config));
    }

    #[test]
    fn a_name_that_belongs_to_another_key_is_not_fought_over() {
        let kind = stops(refusal(Reason::KeyConflict), RUNNING);
        assert_eq!(kind, Some(ErrorKind::Registration(Reason::KeyConflict)));
    }

    #[test]
    fn the_relays_hints_are_followed_within_reason() {
        let goodbye = |ms| Ending::Goodbye(GoodbyeParams { reason: "drain".into(), reconnect_after_ms: ms });
        let after = |ending| match decide(ending, RUNNING) {
            Next::Retry { after, .. } => after,
            Next::Stop(_) => None,
        };
        assert_eq!(after(goodbye(1500)), Some(Duration::from_millis(1500)));
        assert_eq!(after(goodbye(u64::MAX)), Some(HINT_MAX));
        assert_eq!(after(refusal(Reason::RateLimited)), Some(Duration::from_millis(1500)));
    }
}
