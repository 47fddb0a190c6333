//! How the agent stands with the relay, read from what the relay said last, and what follows. Pure.

use std::time::Duration;

use msg2agent::{Agent, ErrorKind};
use protocol::Reason;

use crate::network::Session;
use crate::refusal::Refusal;

/// Pause before connecting again after the SDK gave up; its own delays inside a connection are shorter.
const PAUSE: Duration = Duration::from_secs(5);
/// The same while the agent is suspended: a person ends that, and nobody is kept waiting by a quarter of a minute.
const SUSPENDED_PAUSE: Duration = Duration::from_secs(15);

/// What the relay said when it did not let the agent in.
pub(super) type Refused = Option<Reason>;

#[derive(Clone)]
pub(super) enum State {
    /// Not connected; with the relay's refusal when there was one since the last session.
    Connecting(Refused),
    Up(Agent),
    Yielded,
}

impl State {
    pub(super) fn session(&self) -> Session {
        match self {
            Self::Up(agent) if agent.connection_state().is_online() => Session::Connected,
            Self::Yielded => Session::Yielded,
            Self::Up(_) | Self::Connecting(_) => session(self.refused()),
        }
    }

    pub(super) fn refused(&self) -> Refused {
        match self {
            Self::Up(agent) => match agent.connection_state() {
                msg2agent::ConnectionState::Connecting { last_error: Some(error), .. }
                | msg2agent::ConnectionState::Ended(error) => error.reason(),
                _ => None,
            },
            Self::Connecting(refused) => *refused,
            Self::Yielded => None,
        }
    }

    /// Whether waiting for a connection is no use: the SDK has given up, and the next attempt is seconds away.
    pub(super) const fn is_shut(&self) -> bool {
        matches!(self, Self::Connecting(Some(_)))
    }
}

/// The word for an agent without connection.
pub(super) const fn session(refused: Refused) -> Session {
    match refused {
        None => Session::Connecting,
        Some(Reason::Suspended) => Session::Suspended,
        Some(_) => Session::Refused,
    }
}

/// What a call that needs the relay is told.
pub(super) fn unavailable(refused: Refused) -> Refusal {
    let Some(reason) = refused else { return Refusal::RelayUnreachable };
    let pause = if reason == Reason::Suspended { SUSPENDED_PAUSE } else { PAUSE };
    Refusal::Relay { reason, retry_after_ms: u64::try_from(pause.as_millis()).ok(), quota: None }
}

/// What follows when the SDK gives up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Trying again is useless: somebody has to repair the settings.
    Stop,
    Yield,
    Retry(Duration),
}

pub(super) fn next(kind: ErrorKind) -> Next {
    match kind {
        ErrorKind::Config | ErrorKind::KeyFile | ErrorKind::State => Next::Stop,
        ErrorKind::Replaced => Next::Yield,
        ErrorKind::Suspended => Next::Retry(SUSPENDED_PAUSE),
        _ => Next::Retry(PAUSE),
    }
}

/// A connection that breaks later takes no endpoint out of rotation, and a suspension never does: clients can still read what is
/// here, and only this server can tell them why the rest does not work.
pub(super) fn stays_ready(registered: bool, refused: Refused) -> bool {
    registered || refused == Some(Reason::Suspended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_was_taken_is_yielded_and_not_fought_for() {
        assert_eq!(next(ErrorKind::Replaced), Next::Yield);
    }

    #[test]
    fn only_what_somebody_must_repair_in_the_settings_ends_the_process() {
        for kind in [ErrorKind::Config, ErrorKind::KeyFile, ErrorKind::State] {
            assert_eq!(next(kind), Next::Stop, "{kind:?}");
        }
        for kind in [ErrorKind::Connect, ErrorKind::Unauthorized, ErrorKind::Closed] {
            assert_eq!(next(kind), Next::Retry(PAUSE), "{kind:?}");
        }
    }

    #[test]
    fn a_suspension_is_waited_for_in_longer_steps_and_told_to_callers() {
        assert_eq!(next(ErrorKind::Suspended), Next::Retry(SUSPENDED_PAUSE));
        let refusal = unavailable(Some(Reason::Suspended));
        assert_eq!((refusal.reason(), refusal.retry_after_ms()), ("suspended", Some(15_000)));
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
