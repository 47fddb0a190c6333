//! Exponential backoff with full jitter, so that the agents of a restarted relay reconnect spread
//! out.

use std::time::Duration;

/// Upper bound of the first delay.
const FIRST_RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Upper bound of every delay: an agent reconnects within half a minute of its relay.
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// How long a session must last to reset the backoff. A shorter one counts as a failed attempt.
const BACKOFF_RESET_INTERVAL: Duration = Duration::from_secs(30);

/// The delays between connection attempts.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    #[must_use]
    pub fn new() -> Self {
        Self { failures: 0 }
    }

    /// Records the end of an attempt. `session` is how long its registered session lasted; `None`
    /// if it did not register.
    pub fn on_disconnect(&mut self, session: Option<Duration>) {
        if session.is_some_and(|lasted| lasted >= BACKOFF_RESET_INTERVAL) {
            self.failures = 0;
        }
    }

    /// The next delay; `random` is uniform in `[0, 1)`.
    pub fn next(&mut self, random: f64) -> Duration {
        let factor = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1).min(31);
        FIRST_RETRY_INTERVAL.saturating_mul(factor).min(MAX_RETRY_INTERVAL).mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn delays_grow_to_the_cap_and_start_small_again_after_a_success() {
        let mut backoff = Backoff::new();
        let bounds: Vec<_> = (0..10).map(|_| backoff.next(1.0)).collect();
        assert_eq!(bounds[0], FIRST_RETRY_INTERVAL);
        assert_eq!(bounds[1], FIRST_RETRY_INTERVAL * 2);
        assert_eq!(bounds[9], MAX_RETRY_INTERVAL);
        backoff.on_disconnect(Some(BACKOFF_RESET_INTERVAL));
        assert_eq!(backoff.next(1.0), FIRST_RETRY_INTERVAL);
    }

    #[test]
    fn failed_attempts_and_short_sessions_do_not_reset_the_delays() {
        let mut backoff = Backoff::new();
        for session in [None, None, Some(Duration::from_secs(29)), None] {
            backoff.on_disconnect(session);
            backoff.next(1.0);
        }
        assert_eq!(backoff.next(1.0), FIRST_RETRY_INTERVAL * 16);
    }

    #[test]
    fn the_delays_are_those_that_the_pages_promise() {
        let mut backoff = Backoff::new();
        let bounds: Vec<_> = (0..9).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(bounds, [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000]);
    }

    proptest! {
        #[test]
        fn a_delay_is_never_above_the_cap(failures in 0..1000u32, random in 0.0..1.0f64) {
            let mut backoff = Backoff::new();
            for _ in 0..failures {
                backoff.next(0.0);
            }
            prop_assert!(backoff.next(random) <= MAX_RETRY_INTERVAL);
        }
    }
}
