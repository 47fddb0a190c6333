//! When an object is looked at again. After a failure: per object, growing, with full jitter, bounded. Pure; randomness
//! comes in.

use std::time::Duration;

use crate::error::Category;

/// A full pass over an object that nothing happened to; reads only, unless something drifted unseen.
pub const RESYNC: Duration = Duration::from_secs(10 * 3600);
/// First wait after a failure that may pass by itself.
const BASE: Duration = Duration::from_millis(500);
/// Longest wait; a relay that comes back is noticed by a watch long before.
const LIMIT: Duration = Duration::from_secs(120);
/// After a write conflict the next read is already fresh.
const CONFLICT: Duration = Duration::from_millis(50);

/// The wait before attempt number `failures` + 1. `jitter` is a fraction from 0 to 1.
#[must_use]
pub fn wait(category: Category, failures: u32, jitter: f64) -> Duration {
    match category {
        Category::Conflict if failures <= 3 => CONFLICT,
        // The object itself must change; a watch brings it back. The long wait is a safety net.
        Category::Terminal => LIMIT,
        Category::Conflict | Category::Relay | Category::Cluster | Category::Internal => {
            let ceiling = BASE.saturating_mul(1 << failures.min(10)).min(LIMIT);
            ceiling.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_bounded() {
        let waits: Vec<_> = (1..40).map(|n| wait(Category::Relay, n, 1.0)).collect();
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(waits.last(), Some(&LIMIT));
        assert_eq!(wait(Category::Relay, 1, 0.0), Duration::from_millis(500));
    }

    #[test]
    fn a_conflict_is_tried_again_at_once_but_not_for_ever() {
        assert_eq!(wait(Category::Conflict, 1, 0.5), CONFLICT);
        assert!(wait(Category::Conflict, 9, 0.5) > Duration::from_secs(10));
    }
}
