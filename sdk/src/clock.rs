//! Reads the wall clock. Nothing else in this crate does.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::UnixSeconds;

/// Seconds since the epoch. A clock before 1970 reads as 0, and every message is then refused as
/// not fresh.
pub(crate) fn now() -> UnixSeconds {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
