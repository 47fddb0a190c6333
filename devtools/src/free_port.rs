//! Gives out loopback ports for programs that get their port at the start and keep it over a
//! restart.

use std::net::TcpListener;
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::Context as _;

/// Below the range that systems take outgoing connections from (Linux: 32768, IANA: 49152), so that
/// no connection sits on a port between its choice and its use, or while its program is restarted.
const PORTS: Range<u16> = 12_000..30_000;

/// A prime that shares no factor with the length of the range.
const START_FACTOR: u32 = 7_919;

/// A free loopback port. No port is given out twice in this process.
///
/// # Errors
/// None of the range is free.
pub fn free_port() -> anyhow::Result<u16> {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Processes with neighbouring ids begin far apart.
    let range = u32::from(PORTS.end - PORTS.start);
    let begin = std::process::id().wrapping_mul(START_FACTOR) % range;
    let ports = PORTS.len();
    let mut candidates = (0..ports).map(|_| {
        let step = u32::from(GIVEN.fetch_add(1, Ordering::Relaxed));
        PORTS.start + u16::try_from((begin + step) % u32::try_from(ports).unwrap_or(1)).unwrap_or(0)
    });
    candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).context("find a free port")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_port_is_given_twice_and_none_is_an_outgoing_one() {
        let ports: Vec<_> = (0..200).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), ports.len());
        assert!(ports.iter().all(|port| PORTS.contains(port)));
    }
}
