//! The relay's clock, as far as a registration told it: it tells whose clock is wrong when a
//! message is ahead of that of its recipient.

use std::time::Instant;

use protocol::UnixSeconds;

/// A time of the relay, and when it was told. `None` if the relay does not tell it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RelayClock(Option<(UnixSeconds, Instant)>);

impl RelayClock {
    pub(crate) fn told(time: Option<UnixSeconds>, at: Instant) -> Self {
        Self(time.map(|time| (time, at)))
    }

    /// How many seconds this time is ahead of the relay's clock; 0 if the relay does not tell
    /// its time.
    pub(crate) fn seconds_behind(self, time: UnixSeconds, now: Instant) -> u64 {
        self.0.map_or(0, |(told, at)| {
            let relay_now = told.saturating_add(now.saturating_duration_since(at).as_secs());
            time.saturating_sub(relay_now)
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
        assert_eq!(clock.seconds_behind(10_300, start), 300);
        assert_eq!(clock.seconds_behind(10_300, start + Duration::from_secs(1)), 299);
        assert_eq!(clock.seconds_behind(9_000, start), 0);
        assert_eq!(RelayClock::told(None, start).seconds_behind(u64::MAX, start), 0);
    }
}
