//! Decides how long a watch waits after it ended, before it asks the API server again.

use std::time::Duration;

use tokio::time::Instant;

use super::watch_reader::WatchEnd;

/// Delay after the first failure, and after a watch that ended at once.
const BASE_RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Longest delay between two attempts that the API server refuses.
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(15);
/// Longest delay while no API server answers. An attempt costs nobody anything, and a server that
/// is back must be heard at once.
const CONNECT_INTERVAL: Duration = Duration::from_millis(500);

/// Counts failures in succession.
#[derive(Debug, Default)]
pub(super) struct RetryPace {
    failures: u32,
    /// The longest delay that the last end allows. A server that begins to answer is another cause,
    /// and counted anew.
    longest: Duration,
    listed: Option<Instant>,
}

impl RetryPace {
    /// A list has arrived.
    pub(super) fn listed(&mut self, now: Instant) {
        *self = Self { listed: Some(now), ..Self::default() };
    }

    /// The delay after an attempt that lasted from `begun` until `now`. `jitter` is a fraction from
    /// 0 to 1.
    pub(super) fn delay(
        &mut self,
        end: &WatchEnd,
        (begun, now): (Instant, Instant),
        jitter: f64,
    ) -> Duration {
        let is_long = |since: Instant| now.saturating_duration_since(since) > MAX_RETRY_INTERVAL;
        // A new list is the remedy. One that expires again at once would cost the server much.
        let is_remedied = matches!(end, WatchEnd::Expired) && self.listed.is_none_or(is_long);
        let longest = longest_delay(end);
        let is_other_cause = longest != std::mem::replace(&mut self.longest, longest);
        self.failures = match (is_long(begun) || is_remedied, is_other_cause) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => self.failures.saturating_add(1),
        };
        retry_delay(self.failures, jitter, longest)
    }
}

/// The longest delay after a watch that ended in this way.
fn longest_delay(end: &WatchEnd) -> Duration {
    let WatchEnd::Failed(error) = end else { return MAX_RETRY_INTERVAL };
    match error.downcast_ref::<kube::Error>() {
        Some(kube::Error::Service(_) | kube::Error::HyperError(_)) => CONNECT_INTERVAL,
        // A server that begins to work says when it will have.
        Some(kube::Error::Api(status)) => {
            let after = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
            let named = Duration::from_secs(after.into()).min(MAX_RETRY_INTERVAL);
            if named.is_zero() { MAX_RETRY_INTERVAL } else { named }
        }
        _ => MAX_RETRY_INTERVAL,
    }
}

fn retry_delay(failures: u32, jitter: f64, longest: Duration) -> Duration {
    let ceiling = BASE_RETRY_INTERVAL.saturating_mul(1 << failures.min(10)).min(longest);
    if failures == 0 { Duration::ZERO } else { ceiling.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn unreachable() -> WatchEnd {
        WatchEnd::Failed(Box::new(kube::Error::Service("connection refused".into())))
    }

    fn refused(code: u16, retry_after: u64) -> WatchEnd {
        let answer = json!({"code": code, "details": {"retryAfterSeconds": retry_after}});
        let status = serde_json::from_value(answer).unwrap();
        WatchEnd::Failed(Box::new(kube::Error::Api(status)))
    }

    /// The delay after the last of some attempts that end at once, with full jitter.
    fn after(pace: &mut RetryPace, ends: &[WatchEnd]) -> Duration {
        let now = Instant::now();
        ends.iter().map(|end| pace.delay(end, (now, now), 1.0)).last().unwrap()
    }

    #[test]
    fn attempts_are_spread_and_never_further_apart_than_fifteen_seconds() {
        assert_eq!(retry_delay(0, 1.0, MAX_RETRY_INTERVAL), Duration::ZERO);
        assert_eq!(retry_delay(1, 0.0, MAX_RETRY_INTERVAL), Duration::from_millis(200));
        assert_eq!(retry_delay(60, 1.0, MAX_RETRY_INTERVAL), seconds(15));
    }

    #[test]
    fn a_server_that_does_not_answer_is_asked_twice_a_second_and_one_that_starts_when_it_says() {
        let many = |end: fn() -> WatchEnd| after(&mut RetryPace::default(), &[end(), end(), end(), end()]);
        assert_eq!(many(unreachable), Duration::from_millis(500));
        assert_eq!(many(|| refused(429, 1)), seconds(1));
        assert_eq!(longest_delay(&refused(429, 60)), seconds(15));
        assert_eq!(longest_delay(&refused(500, 0)), seconds(15));
    }

    #[test]
    fn a_server_that_is_back_and_still_refuses_is_asked_again_soon() {
        let mut pace = RetryPace::default();
        after(&mut pace, &[unreachable(), unreachable(), unreachable(), unreachable(), unreachable()]);
        assert_eq!(after(&mut pace, &[refused(403, 0)]), Duration::from_millis(400));
        assert_eq!(after(&mut pace, &[refused(403, 0)]), Duration::from_millis(800));
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_watch_is_listed_at_once_unless_the_list_is_new() {
        let mut pace = RetryPace::default();
        pace.listed(Instant::now());
        assert_eq!(after(&mut pace, &[WatchEnd::Expired]), Duration::from_millis(400));
        tokio::time::advance(seconds(16)).await;
        after(&mut pace, &[refused(403, 0), refused(403, 0)]);
        assert_eq!(after(&mut pace, &[WatchEnd::Expired]), Duration::ZERO);
    }
}
