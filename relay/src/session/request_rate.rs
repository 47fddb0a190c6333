//! Limits the rate of the requests of one connection, except sends, which the core limits.

use std::time::Duration;

use daemon::token_bucket::{Rate, TokenBucket};
use protocol::Reason;
use protocol::limits::{QUERIES_BURST, QUERIES_PER_SECOND};
use protocol::quota::{Quota, QuotaName};

use crate::hub::RequestRefusal;

#[derive(Debug)]
pub(super) struct RequestRate {
    bucket: TokenBucket,
}

impl RequestRate {
    pub(super) fn new(now_ms: u64) -> Self {
        Self { bucket: TokenBucket::full(rate(), now_ms) }
    }

    /// Counts one request.
    ///
    /// # Errors
    /// The limit is reached.
    pub(super) fn take(&mut self, now_ms: u64) -> Result<(), RequestRefusal> {
        match self.bucket.wait(rate(), now_ms) {
            None => {
                self.bucket.take();
                Ok(())
            }
            Some(wait) => Err(self.refusal(wait)),
        }
    }

    fn refusal(&self, wait: Duration) -> RequestRefusal {
        let taken = self.bucket.taken(rate());
        let quota = Quota::of_default_plan(QuotaName::QueriesBurst, QUERIES_BURST.into(), taken);
        // Rounded up: a client that asks earlier is refused again.
        let retry_ms = u64::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
        RequestRefusal::over(Reason::RateLimited, quota, retry_ms)
    }
}

fn rate() -> Rate {
    Rate { per_second: QUERIES_PER_SECOND.into(), burst: QUERIES_BURST.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_asks_too_often_learns_its_quota_and_when_it_may_ask_again() {
        let mut requests = RequestRate::new(0);
        for _ in 0..QUERIES_BURST {
            assert_eq!(requests.take(0), Ok(()));
        }
        let refused = requests.take(0).unwrap_err();
        let quota = refused.quota.unwrap();
        assert_eq!((refused.reason, quota.name), (Reason::RateLimited, QuotaName::QueriesBurst));
        assert_eq!((quota.limit, quota.current), (QUERIES_BURST.into(), QUERIES_BURST.into()));
        let retry_ms = refused.retry_ms.unwrap();
        assert!(requests.take(retry_ms / 2).is_err());
        assert_eq!(requests.take(retry_ms), Ok(()));
    }
}
