//! The one place of this crate that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::UnixSeconds;

/// Seconds since the epoch; 0 on a machine whose clock stands before 1970, where every message is refused as not fresh.
pub(crate) fn now() -> UnixSeconds {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
