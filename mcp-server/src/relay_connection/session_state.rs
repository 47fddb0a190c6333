//! The state of the session at the relay, and what follows from it: the status that clients see,
//! the error of a call, readiness, and the next attempt to connect. Pure.

use std::time::Duration;

use msg2agent::{Agent, ErrorKind};
use protocol::Reason;

use crate::network::{NetworkError, SessionStatus};

/// Before the next attempt after the SDK gave up. The SDK itself retries sooner within a
/// connection.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(5);
/// Retry interval while suspended. A person has to lift the suspension, so 15 s more do not matter.
const SUSPENDED_RECONNECT_INTERVAL: Duration = Duration::from_secs(15);

#[derive(Clone)]
pub(super) enum SessionState {
    /// Not connected; with the relay's refusal when there was one since the last session.
    Connecting(Option<Reason>),
    /// The SDK runs the agent, and reconnects when its connection breaks.
    Running(Agent),
    /// Another process of this agent has the session.
    Yielded,
}

impl SessionState {
    pub(super) fn status(&self) -> SessionStatus {
        match self {
            Self::Running(agent) if agent.connection_state().is_connected() => SessionStatus::Connected,
            Self::Yielded => SessionStatus::Yielded,
            Self::Running(_) | Self::Connecting(_) => status_without_session(self.refusal()),
        }
    }

    /// Why the relay refused this agent last; `None` if it did not.
    pub(super) fn refusal(&self) -> Option<Reason> {
        match self {
            Self::Running(agent) => match agent.connection_state() {
                msg2agent::ConnectionState::Connecting { last_error: Some(error), .. }
                | msg2agent::ConnectionState::Ended(error) => error.reason(),
                _ => None,
            },
            Self::Connecting(refusal) => *refusal,
            Self::Yielded => None,
        }
    }

    /// Whether it is useless to wait for a connection: the SDK has given up, and the next attempt
    /// is seconds away.
    pub(super) const fn is_refused(&self) -> bool {
        matches!(self, Self::Connecting(Some(_)))
    }
}

/// The status of an agent that is not connected.
pub(super) const fn status_without_session(refusal: Option<Reason>) -> SessionStatus {
    match refusal {
        None => SessionStatus::Connecting,
        Some(Reason::Suspended) => SessionStatus::Suspended,
        Some(_) => SessionStatus::Refused,
    }
}

/// The error of a call that needs a connection when there is none.
pub(super) fn unavailable(refusal: Option<Reason>) -> NetworkError {
    let Some(reason) = refusal else { return NetworkError::RelayUnreachable };
    let is_suspended = reason == Reason::Suspended;
    let interval = if is_suspended { SUSPENDED_RECONNECT_INTERVAL } else { RECONNECT_INTERVAL };
    NetworkError::Relay { reason, retry_after_ms: u64::try_from(interval.as_millis()).ok(), quota: None }
}

/// What to do when the SDK gives up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Stop the process: another attempt would fail too until somebody repairs the settings.
    Stop,
    Yield,
    RetryAfter(Duration),
}

pub(super) const fn next_step(kind: ErrorKind) -> NextStep {
    match kind {
        ErrorKind::Config | ErrorKind::KeyFile | ErrorKind::State => NextStep::Stop,
        // The folder of another process that does not yield: it has the agent, as after a takeover.
        ErrorKind::Replaced | ErrorKind::InUse => NextStep::Yield,
        ErrorKind::Suspended => NextStep::RetryAfter(SUSPENDED_RECONNECT_INTERVAL),
        _ => NextStep::RetryAfter(RECONNECT_INTERVAL),
    }
}

/// An endpoint stays in rotation when its connection breaks later, and always while suspended:
/// clients can still read stored messages, and only this server can tell them why the rest fails.
pub(super) fn stays_ready(registered: bool, refusal: Option<Reason>) -> bool {
    registered || refusal == Some(Reason::Suspended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_was_taken_is_yielded_and_not_fought_for() {
        assert_eq!(next_step(ErrorKind::Replaced), NextStep::Yield);
        assert_eq!(next_step(ErrorKind::InUse), NextStep::Yield, "a second window of Claude does not end");
    }

    #[test]
    fn only_what_somebody_must_repair_in_the_settings_ends_the_process() {
        for kind in [ErrorKind::Config, ErrorKind::KeyFile, ErrorKind::State] {
            assert_eq!(next_step(kind), NextStep::Stop, "{kind:?}");
        }
        for kind in [ErrorKind::Connect, ErrorKind::Unauthorized, ErrorKind::Closed] {
            assert_eq!(next_step(kind), NextStep::RetryAfter(RECONNECT_INTERVAL), "{kind:?}");
        }
    }

    #[test]
    fn a_suspension_is_waited_for_in_longer_steps_and_told_to_callers() {
        assert_eq!(next_step(ErrorKind::Suspended), NextStep::RetryAfter(SUSPENDED_RECONNECT_INTERVAL));
        let error = unavailable(Some(Reason::Suspended));
        assert_eq!((error.reason(), error.retry_after_ms()), ("suspended", Some(15_000)));
        assert_eq!(unavailable(Some(Reason::KeyUnknown)).reason(), "key_unknown");
        assert_eq!(unavailable(None).reason(), "relay_unreachable");
    }

    #[test]
    fn an_endpoint_is_ready_once_it_has_registered_and_while_it_is_suspended() {
        assert!(stays_ready(true, None) && stays_ready(true, Some(Reason::KeyUnknown)));
        assert!(stays_ready(false, Some(Reason::Suspended)));
        assert!(!stays_ready(false, None) && !stays_ready(false, Some(Reason::KeyUnknown)));
    }
}
