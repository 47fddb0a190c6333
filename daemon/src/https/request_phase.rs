//! The phase of a connection, and the time that its client has in each phase.
//!
//! hyper has one timeout for the head of a request, which also ends idle connections. A head that
//! has begun must arrive soon, while an idle connection should outlive the idle timeout of the
//! proxy in front.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::ListenerLimits;

/// The phase of a connection: what it waits for. Pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The connection waits for the first head.
    New { since: Instant },
    /// It waits for the rest of a later head.
    Head { since: Instant },
    /// It waits for our own response.
    Response,
    /// It waits for the next request.
    Idle { since: Instant },
}

impl Phase {
    const fn on_bytes(self, now: Instant) -> Self {
        match self {
            Self::Idle { .. } => Self::Head { since: now },
            Self::New { .. } | Self::Head { .. } | Self::Response => self,
        }
    }

    fn deadline(self, timeouts: Timeouts) -> Option<Instant> {
        match self {
            Self::New { since } | Self::Head { since } => Some(since + timeouts.head),
            Self::Response => None,
            Self::Idle { since } => Some(since + timeouts.idle),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Timeouts {
    head: Duration,
    idle: Duration,
}

/// The phase of one connection, shared by its byte stream, its service and its deadline, which all
/// run in one task.
#[derive(Debug, Clone)]
pub(super) struct RequestPhase {
    phase: Arc<Mutex<Phase>>,
    timeouts: Timeouts,
}

impl RequestPhase {
    /// The phase of a new connection, which has sent nothing.
    pub(super) fn new(limits: &ListenerLimits) -> Self {
        Self {
            phase: Arc::new(Mutex::new(Phase::New { since: Instant::now() })),
            timeouts: Timeouts { head: limits.request_head_timeout, idle: limits.keep_alive_timeout },
        }
    }

    /// The client has sent something.
    pub(super) fn on_bytes(&self) {
        let mut phase = self.lock();
        *phase = phase.on_bytes(Instant::now());
    }

    /// The head of a request is complete.
    pub(super) fn on_request(&self) {
        *self.lock() = Phase::Response;
    }

    /// The response has been sent.
    pub(super) fn on_response_end(&self) {
        *self.lock() = Phase::Idle { since: Instant::now() };
    }

    /// When to close the connection if nothing changes; none while we owe a response.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.lock().deadline(self.timeouts)
    }

    /// Whether the connection has never had a request.
    pub(super) fn is_new(&self) -> bool {
        matches!(*self.lock(), Phase::New { .. })
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
    const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
    const TIMEOUTS: Timeouts = Timeouts { head: HEAD_TIMEOUT, idle: IDLE_TIMEOUT };

    #[test]
    fn a_head_that_drips_has_no_more_time_than_one_that_stops() {
        let start = Instant::now();
        for phase in [Phase::New { since: start }, Phase::Head { since: start }] {
            let later = phase.on_bytes(start + Duration::from_secs(9));
            assert_eq!(later.deadline(TIMEOUTS), Some(start + HEAD_TIMEOUT), "{phase:?}");
        }
    }

    #[test]
    fn the_first_byte_after_an_idle_time_begins_a_head() {
        let start = Instant::now();
        let idle = Phase::Idle { since: start };
        assert_eq!(idle.deadline(TIMEOUTS), Some(start + IDLE_TIMEOUT));
        let later = start + Duration::from_secs(70);
        assert_eq!(idle.on_bytes(later).deadline(TIMEOUTS), Some(later + HEAD_TIMEOUT));
    }

    #[test]
    fn a_request_may_take_its_time_while_its_body_arrives() {
        let phase = Phase::Response.on_bytes(Instant::now());
        assert_eq!((phase, phase.deadline(TIMEOUTS)), (Phase::Response, None));
    }
}
