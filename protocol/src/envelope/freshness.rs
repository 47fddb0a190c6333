//! Refuses a message that is too old or comes from the future.

use super::Class;
use crate::UnixSeconds;
use crate::limits::{CLOCK_SKEW_GRACE_SECONDS, EPHEMERAL_TTL_SECONDS, MAX_TTL_SECONDS};

/// Why the time of a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotFresh {
    #[error("its time is {0} s ahead of ours; one of the two clocks is wrong")]
    Future(u64),
    #[error("it expired {0} s ago")]
    Expired(u64),
}

/// Checks the signed time of a message against the reader's clock. `ttl` is in seconds.
///
/// # Errors
/// The time is further ahead than [`CLOCK_SKEW_GRACE_SECONDS`], or further behind than the
/// message's lifetime. A reliable message lives for its TTL and the same grace, an ephemeral one
/// for [`EPHEMERAL_TTL_SECONDS`].
pub fn check(class: Class, time: UnixSeconds, ttl: Option<u64>, now: UnixSeconds) -> Result<(), NotFresh> {
    let ahead = time.saturating_sub(now);
    if ahead > CLOCK_SKEW_GRACE_SECONDS {
        return Err(NotFresh::Future(ahead));
    }
    let lifetime = match class {
        Class::Reliable => ttl.unwrap_or(MAX_TTL_SECONDS).min(MAX_TTL_SECONDS) + CLOCK_SKEW_GRACE_SECONDS,
        Class::Ephemeral => EPHEMERAL_TTL_SECONDS,
    };
    let over = now.saturating_sub(time).saturating_sub(lifetime);
    if over > 0 { Err(NotFresh::Expired(over)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freshness_ends_at_the_second_it_says() {
        let reliable = |now| check(Class::Reliable, 10_000, Some(60), now);
        assert_eq!(reliable(10_360), Ok(()));
        assert_eq!(reliable(10_361), Err(NotFresh::Expired(1)));
        assert_eq!(reliable(9_700), Ok(()));
        assert_eq!(reliable(9_699), Err(NotFresh::Future(301)));
        assert_eq!(check(Class::Ephemeral, 10_000, None, 10_301), Err(NotFresh::Expired(1)));
    }
}
