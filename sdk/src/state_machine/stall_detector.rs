//! Notices that the relay sends nothing more because the application keeps one message.
//!
//! The relay counts its window from the oldest delivery that is not settled. One message that is
//! never acknowledged therefore stops all others, although each of them was acknowledged.

use std::time::Duration;

/// How long the oldest delivery may stay unsettled, while the window fills behind it, before the
/// session counts as stalled. A slow application acknowledges something within a minute.
const STALL_GRACE: Duration = Duration::from_secs(60);

/// Watches the oldest unsettled delivery of one session.
#[derive(Debug, Default)]
pub struct StallDetector {
    /// The oldest unsettled delivery, and since when it is the oldest.
    oldest: Option<(u64, Duration)>,
}

impl StallDetector {
    /// Whether the session is stalled. `oldest` is the number of the oldest unsettled delivery, if
    /// there is one; `window_used` says whether half of the window is in use; `now` is monotonic
    /// time since any fixed moment.
    pub fn check(&mut self, oldest: Option<u64>, window_used: bool, now: Duration) -> bool {
        let Some(number) = oldest else {
            self.oldest = None;
            return false;
        };
        match self.oldest {
            Some((known, since)) if known == number => {
                window_used && now.saturating_sub(since) >= STALL_GRACE
            }
            _ => {
                self.oldest = Some((number, now));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_window_that_fills_behind_one_message_for_a_minute_is_a_stall() {
        let mut detector = StallDetector::default();
        assert!(!detector.check(Some(1), true, seconds(10)));
        assert!(!detector.check(Some(1), true, seconds(69)));
        assert!(detector.check(Some(1), true, seconds(70)));
        assert!(!detector.check(Some(2), true, seconds(71)), "the oldest one was acknowledged");
    }

    #[test]
    fn one_old_message_in_an_empty_window_is_no_stall() {
        let mut detector = StallDetector::default();
        detector.check(Some(1), false, seconds(0));
        assert!(!detector.check(Some(1), false, seconds(10_000)));
        assert!(!detector.check(None, true, seconds(20_000)));
        assert!(!detector.check(Some(1), true, seconds(20_001)), "the time begins again");
    }
}
