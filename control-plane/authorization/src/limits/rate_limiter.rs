//! Rate limiting per IP address and per account, with token buckets in constant memory.
//!
//! Keys share a fixed number of buckets by a keyed hash, so that strangers cannot make the table
//! grow. Two keys that collide only share their rate.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use daemon::token_bucket::{Rate, TokenBucket};
use tokio::time::Instant;

use crate::error::OauthError;

/// Number of buckets. Each has 16 bytes, so all of them take 256 KiB.
const BUCKETS: usize = 16 * 1024;

/// The limits, each counted separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RateLimit {
    /// Client registrations per address. Claude's web clients share a few addresses, so the rate is
    /// generous.
    Register,
    /// Pages and forms per address.
    Browse,
    /// Sign-in attempts per address.
    SignIn,
    /// Token requests per address.
    Token,
    /// Fetches of client documents per address.
    Fetch,
    /// Consent decisions per account.
    Consent,
}

/// The client or person that a request is counted for.
#[derive(Debug, Clone, Copy, Hash)]
pub(crate) enum RateLimitKey<'a> {
    /// IPv6 addresses are counted per /64 network, because one host has 2^64 of them.
    Address(IpAddr),
    Account(&'a str),
}

/// The token buckets of all limits and keys.
pub(crate) struct RateLimiter {
    buckets: Mutex<Vec<Option<TokenBucket>>>,
    hasher: RandomState,
    /// The buckets count milliseconds since then.
    started: Instant,
}

impl RateLimit {
    const fn rate(self) -> Rate {
        let (per_second, burst) = match self {
            Self::Register => (0.5, 60.0),
            Self::Browse => (4.0, 120.0),
            Self::SignIn => (0.2, 15.0),
            Self::Token => (10.0, 300.0),
            Self::Fetch => (0.2, 20.0),
            Self::Consent => (0.2, 20.0),
        };
        Rate { per_second, burst }
    }
}

impl RateLimiter {
    pub(crate) fn new() -> Self {
        Self { buckets: Mutex::new(vec![None; BUCKETS]), hasher: RandomState::new(), started: Instant::now() }
    }

    /// Counts one request, or refuses it with status 429.
    pub(crate) fn check(&self, limit: RateLimit, key: RateLimitKey<'_>) -> Result<(), OauthError> {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.take(limit, key, now_ms).map_err(|wait| OauthError::too_many(wait.as_secs().saturating_add(1)))
    }

    /// [`Self::check`] for the client at an address.
    pub(crate) fn check_ip(&self, limit: RateLimit, address: IpAddr) -> Result<(), OauthError> {
        self.check(limit, RateLimitKey::Address(address))
    }

    /// Takes one token, or returns how long to wait for the next one.
    fn take(&self, limit: RateLimit, key: RateLimitKey<'_>, now_ms: u64) -> Result<(), Duration> {
        let hash = self.hasher.hash_one((limit, network(key)));
        let index = usize::try_from(hash).unwrap_or_default() % BUCKETS;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = buckets.get_mut(index) else { return Ok(()) };
        let bucket = slot.get_or_insert_with(|| TokenBucket::full(limit.rate(), now_ms));
        if let Some(wait) = bucket.wait(limit.rate(), now_ms) {
            return Err(wait);
        }
        bucket.take();
        Ok(())
    }
}

fn network(key: RateLimitKey<'_>) -> RateLimitKey<'_> {
    let RateLimitKey::Address(IpAddr::V6(address)) = key else { return key };
    let masked = address
        .to_ipv4_mapped()
        .map_or_else(|| IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))), IpAddr::V4);
    RateLimitKey::Address(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> RateLimitKey<'static> {
        RateLimitKey::Address(text.parse().unwrap())
    }

    #[test]
    fn one_address_is_refused_after_its_burst_and_accepted_again_later() {
        let limiter = RateLimiter::new();
        for _ in 0..15 {
            limiter.take(RateLimit::SignIn, address("192.0.2.1"), 0).unwrap();
        }
        let wait = limiter.take(RateLimit::SignIn, address("192.0.2.1"), 0).unwrap_err();
        assert_eq!(wait, Duration::from_secs(5));
        limiter.take(RateLimit::SignIn, address("192.0.2.1"), 5000).unwrap();
        limiter.take(RateLimit::SignIn, address("192.0.2.2"), 0).unwrap();
        limiter.take(RateLimit::SignIn, RateLimitKey::Account("a"), 0).unwrap();
    }

    /// The pages for administrators promise these numbers.
    #[test]
    fn the_limits_are_as_promised() {
        for (limit, per_second, burst) in [
            (RateLimit::Register, 0.5, 60.0),
            (RateLimit::Browse, 4.0, 120.0),
            (RateLimit::SignIn, 0.2, 15.0),
            (RateLimit::Token, 10.0, 300.0),
            (RateLimit::Fetch, 0.2, 20.0),
            (RateLimit::Consent, 0.2, 20.0),
        ] {
            assert_eq!(limit.rate(), Rate { per_second, burst }, "{limit:?}");
        }
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_together() {
        let limiter = RateLimiter::new();
        for host in 1..=15 {
            limiter.take(RateLimit::SignIn, address(&format!("2001:db8::{host}")), 0).unwrap();
        }
        assert!(limiter.take(RateLimit::SignIn, address("2001:db8::ffff"), 0).is_err());
        limiter.take(RateLimit::SignIn, address("2001:db8:0:1::1"), 0).unwrap();
    }
}
