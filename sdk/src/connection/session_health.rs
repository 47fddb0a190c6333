//! Watches one session: silence of the relay, a machine that slept, and a stall.

use std::time::{Duration, SystemTime};

use protocol::limits::IDLE_TIMEOUT;
use tokio::time::Instant;

use crate::state_machine::StallDetector;

/// How far the wall clock may run ahead of the monotonic one before the machine counts as having
/// slept: the monotonic clock stands still meanwhile. A correction of the clock is smaller.
const MAX_CLOCK_DRIFT_GRACE: Duration = Duration::from_secs(30);
/// How long the relay may take to answer the ping after that.
const WAKE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct SessionHealth {
    /// When the session counts as broken unless a frame arrives before.
    pub(super) deadline: Instant,
    started: Instant,
    checked: (SystemTime, Instant),
    stalls: StallDetector,
}

impl SessionHealth {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            deadline: now + IDLE_TIMEOUT,
            started: now,
            checked: (SystemTime::now(), now),
            stalls: StallDetector::default(),
        }
    }

    pub(super) fn on_frame(&mut self) {
        self.deadline = Instant::now() + IDLE_TIMEOUT;
    }

    /// Whether the machine slept since the last call. The connection may be dead then: the relay
    /// must be pinged, and has a few seconds to answer.
    pub(super) fn woke(&mut self) -> bool {
        let (wall, monotonic) = (SystemTime::now(), Instant::now());
        let wall_elapsed = wall.duration_since(self.checked.0).unwrap_or_default();
        let elapsed = monotonic.duration_since(self.checked.1);
        self.checked = (wall, monotonic);
        let woke = slept(wall_elapsed, elapsed);
        if woke {
            self.deadline = self.deadline.min(monotonic + WAKE_TIMEOUT);
        }
        woke
    }

    /// Whether the session is stalled, see [`StallDetector::check`].
    pub(super) fn is_stalled(&mut self, oldest: Option<u64>, window_used: bool) -> bool {
        self.stalls.check(oldest, window_used, self.started.elapsed())
    }
}

/// Whether the wall clock has run that much more than the monotonic one that the machine slept.
fn slept(wall_elapsed: Duration, elapsed: Duration) -> bool {
    wall_elapsed.saturating_sub(elapsed) > MAX_CLOCK_DRIFT_GRACE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_slept_if_its_wall_clock_ran_on_alone() {
        let seconds = Duration::from_secs;
        assert!(slept(seconds(605), seconds(5)));
        assert!(!slept(seconds(35), seconds(5)), "a corrected clock");
        assert!(!slept(seconds(600), seconds(600)), "a busy process");
        assert!(!slept(seconds(0), seconds(5)), "a clock that was set back");
    }
}
