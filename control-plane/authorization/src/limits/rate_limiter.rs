//! How often somebody may ask. Constant memory: keys share a fixed number of buckets by a keyed hash, so strangers cannot
//! grow it, and two that share a bucket only share its rate.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::core::{Rate, TokenBucket};

/// Buckets; each has 16 bytes, so all are 256 KiB.
const BUCKETS: usize = 16 * 1024;

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Registrations of an address. Claude's web clients share a few addresses, so this is no tight rate.
    Register,
    /// Pages and forms of an address.
    Browse,
    /// Attempts of an address to sign in.
    SignIn,
    /// Token requests of an address.
    Token,
    /// Documents of clients fetched for an address.
    Fetch,
    /// Decisions of an account.
    Consent,
}

/// Somebody who is counted.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) enum Who<'a> {
    /// Of IPv6 the network: a host has 2^64 addresses.
    Address(IpAddr),
    Account(&'a str),
}

pub(super) struct Throttle {
    buckets: Mutex<Vec<Option<TokenBucket>>>,
    hasher: RandomState,
}

impl Kind {
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

impl Throttle {
    pub(super) fn new() -> Self {
        Self { buckets: Mutex::new(vec![None; BUCKETS]), hasher: RandomState::new() }
    }

    /// Takes one, or answers how long to wait for it.
    pub(super) fn take(&self, kind: Kind, who: Who<'_>, now_ms: u64) -> Result<(), Duration> {
        let hash = self.hasher.hash_one((kind, network(who)));
        let index = usize::try_from(hash).unwrap_or_default() % BUCKETS;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = buckets.get_mut(index) else { return Ok(()) };
        let bucket = slot.get_or_insert_with(|| TokenBucket::full(kind.rate(), now_ms));
        if let Some(wait) = bucket.wait(kind.rate(), now_ms) {
            return Err(wait);
        }
        bucket.take();
        Ok(())
    }
}

fn network(who: Who<'_>) -> Who<'_> {
    let Who::Address(IpAddr::V6(address)) = who else { return who };
    let masked = address
        .to_ipv4_mapped()
        .map_or_else(|| IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))), IpAddr::V4);
    Who::Address(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Who<'static> {
        Who::Address(text.parse().unwrap())
    }

    #[test]
    fn one_address_is_stopped_after_its_burst_and_let_in_again_later() {
        let throttle = Throttle::new();
        for _ in 0..15 {
            throttle.take(Kind::SignIn, address("192.0.2.1"), 0).unwrap();
        }
        let wait = throttle.take(Kind::SignIn, address("192.0.2.1"), 0).unwrap_err();
        assert_eq!(wait, Duration::from_secs(5));
        throttle.take(Kind::SignIn, address("192.0.2.1"), 5000).unwrap();
        throttle.take(Kind::SignIn, address("192.0.2.2"), 0).unwrap();
        throttle.take(Kind::SignIn, Who::Account("a"), 0).unwrap();
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_together() {
        let throttle = Throttle::new();
        for host in 1..=15 {
            throttle.take(Kind::SignIn, address(&format!("2001:db8::{host}")), 0).unwrap();
        }
        assert!(throttle.take(Kind::SignIn, address("2001:db8::ffff"), 0).is_err());
        throttle.take(Kind::SignIn, address("2001:db8:0:1::1"), 0).unwrap();
    }
}
