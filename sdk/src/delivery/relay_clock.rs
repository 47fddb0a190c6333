//! The relay's clock, as far as a registration told it: it tells whose clock is wrong when a
//! message is ahead of that of its recipient.

use std::time::Instant;

use protocol::UnixSeconds;
use protocol::limits::CLOCK_SKEW_GRACE_SECONDS;

/// A time of the relay, and when it was told. `None` if the relay does not tell it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RelayClock(Option<(UnixSeconds, Instant)>);

impl RelayClock {
    pub(crate) fn told(time: Option<UnixSeconds>, at: Instant) -> Self {
        Self(time.map(|time| (time, at)))
    }

    /// Whether this time is further ahead of the relay's clock than clocks may differ. `false` if
    /// the relay does not tell its time.
    pub(crate) fn is_behind(self, time: UnixSeconds, now: Instant) -> bool {
        self.0.is_some_and(|(told, at)| {
            let relay_now = told.saturating_add(now.saturating_duration_since(at).as_secs());
            time.saturating_sub(relay_now) > CLOCK_SKEW_GRACE_SECONDS
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_relays_clock_goes_on_after_it_was_told() {
        let start = Instant::now();
        let clock = RelayClock::told(Some(10_000), start);
        assert!(!clock.is_behind(10_300, start));
        assert!(clock.is_behind(10_301, start));
        assert!(!clock.is_behind(10_301, start + Duration::from_secs(1)));
        assert!(!RelayClock::told(None, start).is_behind(u64::MAX, start));
    }
}
