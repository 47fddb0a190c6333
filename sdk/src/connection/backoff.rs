//! Exponential backoff with full jitter, so that the agents of a restarted relay reconnect spread
//! out. Pure.

use std::time::Duration;

/// Upper bound of the first delay.
const FIRST_RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Upper bound of every delay: an agent reconnects within half a minute of its relay.
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(30);

pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { failures: 0 }
    }

    /// The next delay; `random` is uniform in `[0, 1)`.
    pub(super) fn next(&mut self, random: f64) -> Duration {
        let factor = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1).min(31);
        FIRST_RETRY_INTERVAL.saturating_mul(factor).min(MAX_RETRY_INTERVAL).mul_f64(random.clamp(0.0, 1.0))
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
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
        backoff.reset();
        assert_eq!(backoff.next(1.0), FIRST_RETRY_INTERVAL);
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
