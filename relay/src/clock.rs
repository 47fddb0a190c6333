//! Reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::UnixSeconds;

/// The time of the system clock. A clock before 1970 reads as 1970, and keys then expire late.
pub(crate) fn unix_now() -> UnixSeconds {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
