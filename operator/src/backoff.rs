//! Exponential backoff with jitter for failed reconciles, and the resync interval. Pure; randomness
//! is an argument.

use std::time::Duration;

use crate::error::Category;

/// Interval between two reconciles of an object without events. It repairs changes that no watch
/// noticed.
pub const RESYNC_INTERVAL: Duration = Duration::from_secs(10 * 3600);
/// Delay after the first failure.
const BASE_RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Maximum delay. A relay that becomes ready again is noticed earlier, by a watch.
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(120);
/// Delay after a write conflict. The cache has the new version soon.
const CONFLICT_RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// The delay before attempt number `failures` + 1. `jitter` is a fraction from 0 to 1.
#[must_use]
pub fn delay(category: Category, failures: u32, jitter: f64) -> Duration {
    match category {
        Category::Conflict if failures <= 3 => CONFLICT_RETRY_INTERVAL,
        // Somebody has to change an object, which triggers a reconcile. The retry is a safety net.
        Category::Terminal => MAX_RETRY_INTERVAL,
        Category::Conflict | Category::Relay | Category::Cluster | Category::Timeout | Category::Internal => {
            let ceiling = BASE_RETRY_INTERVAL.saturating_mul(1 << failures.min(10)).min(MAX_RETRY_INTERVAL);
            ceiling.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
        }
    }
}

/// A planned delay, up to a fifth longer, so that many objects do not come back at the same time.
/// `jitter` is a fraction from 0 to 1.
#[must_use]
pub fn jittered(delay: Duration, jitter: f64) -> Duration {
    delay.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_stay_bounded() {
        let delays: Vec<_> = (1..40).map(|n| delay(Category::Relay, n, 1.0)).collect();
        assert!(delays.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(delays.last(), Some(&MAX_RETRY_INTERVAL));
        assert_eq!(delay(Category::Relay, 1, 0.0), Duration::from_millis(500));
    }

    #[test]
    fn a_conflict_is_retried_at_once_but_only_a_few_times() {
        assert_eq!(delay(Category::Conflict, 1, 0.5), CONFLICT_RETRY_INTERVAL);
        assert!(delay(Category::Conflict, 9, 0.5) > Duration::from_secs(10));
    }
}
