//! Rate limiting with token buckets, over a clock of the caller. Pure.

use std::time::Duration;

/// A sustained rate, and how many events may happen at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Events per second, on average.
    pub per_second: f64,
    /// Events at once, before the average counts.
    pub burst: f64,
}

/// A token bucket. It does not know its rate, so that a table of buckets stays small.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    tokens: f64,
    filled_ms: u64,
}

impl TokenBucket {
    /// A bucket with a whole burst of tokens. Times are milliseconds of one monotonic clock.
    #[must_use]
    pub const fn full(rate: Rate, now_ms: u64) -> Self {
        Self { tokens: rate.burst, filled_ms: now_ms }
    }

    /// The time until there is a token; `None`: there is one now. Takes no token.
    pub fn wait(&mut self, rate: Rate, now_ms: u64) -> Option<Duration> {
        let passed = Duration::from_millis(now_ms.saturating_sub(self.filled_ms)).as_secs_f64();
        self.filled_ms = self.filled_ms.max(now_ms);
        self.tokens = passed.mul_add(rate.per_second, self.tokens).min(rate.burst);
        if self.tokens >= 1.0 {
            return None;
        }
        let seconds = (1.0 - self.tokens) / rate.per_second.max(0.001);
        Some(Duration::from_secs_f64(seconds).max(Duration::from_millis(1)))
    }

    /// The number of tokens that are taken and not refilled yet, rounded up.
    #[must_use]
    pub fn taken(&self, rate: Rate) -> u64 {
        round_up(rate.burst - self.tokens)
    }

    /// Takes a token. Call [`Self::wait`] first.
    pub const fn take(&mut self) {
        self.tokens -= 1.0;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a burst is a small number above zero"
)]
const fn round_up(tokens: f64) -> u64 {
    tokens.ceil() as u64
}

impl Rate {
    /// The events per second as a whole number, rounded up.
    #[must_use]
    pub const fn per_second_count(self) -> u64 {
        round_up(self.per_second)
    }

    /// The burst as a whole number.
    #[must_use]
    pub const fn burst_count(self) -> u64 {
        round_up(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_allows_its_burst_and_then_its_rate() {
        let rate = Rate { per_second: 10.0, burst: 3.0 };
        let mut bucket = TokenBucket::full(rate, 0);
        for _ in 0..3 {
            assert_eq!(bucket.wait(rate, 0), None);
            bucket.take();
        }
        assert_eq!(bucket.wait(rate, 0), Some(Duration::from_millis(100)));
        assert_eq!((rate.burst_count(), rate.per_second_count(), bucket.taken(rate)), (3, 10, 3));
        assert_eq!(bucket.wait(rate, 100), None);
    }

    #[test]
    fn a_clock_that_stands_still_gives_nothing() {
        let rate = Rate { per_second: 1.0, burst: 1.0 };
        let mut bucket = TokenBucket::full(rate, 500);
        bucket.take();
        assert!(bucket.wait(rate, 400).is_some());
        assert!(bucket.wait(rate, 1499).is_some());
        assert_eq!(bucket.wait(rate, 1500), None);
    }
}
