//! A clock that steps of the wall clock do not move: the wall time of the start, plus what the
//! monotonic clock has counted since.
//!
//! A TTL is a duration. Measured by this clock it neither ends early nor starts again when somebody
//! sets the time, or when a machine learns the time only after its start.

use super::Now;
use super::limits::CLOCK_STEP_GRACE_SECONDS;

/// The time of one step of the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CoreTime {
    /// Milliseconds of the monotonic clock.
    pub(super) mono_ms: u64,
    /// Milliseconds since the Unix epoch by the steady clock, for everything that ends.
    pub(super) steady_ms: u64,
    /// Seconds since the Unix epoch by the wall clock, for what others read.
    pub(super) unix: u64,
}

impl CoreTime {
    /// When a TTL that starts now has ended.
    pub(super) const fn after_seconds(&self, ttl_seconds: u64) -> u64 {
        self.steady_ms.saturating_add(ttl_seconds.saturating_mul(1000))
    }

    /// The wall time at which a TTL that starts now has ended for certain: the current second has
    /// begun already.
    pub(super) const fn unix_after(&self, ttl_seconds: u64) -> u64 {
        self.unix.saturating_add(ttl_seconds).saturating_add(1)
    }
}

#[derive(Debug)]
pub(super) struct SteadyClock {
    start: Now,
    /// How far the wall clock was ahead of the steady clock when a step was noticed last.
    noticed_seconds: i64,
}

impl SteadyClock {
    pub(super) const fn new(start: Now) -> Self {
        Self { start, noticed_seconds: 0 }
    }

    pub(super) const fn time(&self, now: Now) -> CoreTime {
        let passed = now.mono_ms.saturating_sub(self.start.mono_ms);
        let steady_ms = self.start.unix.saturating_mul(1000).saturating_add(passed);
        CoreTime { mono_ms: now.mono_ms, steady_ms, unix: now.unix }
    }

    /// Whether the wall clock has stepped since the last call.
    pub(super) fn notice_step(&mut self, time: CoreTime) -> bool {
        let ahead = i64::try_from(time.unix).unwrap_or(i64::MAX)
            - i64::try_from(time.steady_ms / 1000).unwrap_or(i64::MAX);
        let stepped = ahead.abs_diff(self.noticed_seconds) > CLOCK_STEP_GRACE_SECONDS;
        if stepped {
            self.noticed_seconds = ahead;
        }
        stepped
    }

    /// How far the wall clock is ahead of this clock because of steps.
    pub(super) const fn step_seconds(&self) -> i64 {
        self.noticed_seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Now = Now { mono_ms: 5_000, unix: 1_000_000 };

    #[test]
    fn a_step_of_the_wall_clock_is_noticed_once_and_moves_nothing() {
        let mut clock = SteadyClock::new(START);
        let later = clock.time(Now { mono_ms: 6_500, unix: 1_000_001 });
        assert_eq!(later.steady_ms, 1_000_001_500);
        assert!(!clock.notice_step(later));
        let stepped = clock.time(Now { mono_ms: 7_000, unix: 1_003_600 });
        assert_eq!(stepped.steady_ms, 1_000_002_000);
        assert!(clock.notice_step(stepped));
        assert!(!clock.notice_step(stepped));
        assert_eq!(clock.step_seconds(), 3_598);
        let back = clock.time(Now { mono_ms: 8_000, unix: 1_000_003 });
        assert!(clock.notice_step(back));
    }

    #[test]
    fn a_ttl_that_goes_to_the_disk_is_never_shorter() {
        let time = SteadyClock::new(START).time(Now { mono_ms: 5_970, unix: 1_000_000 });
        assert_eq!((time.after_seconds(1), time.unix_after(1)), (1_000_001_970, 1_000_002));
    }
}
