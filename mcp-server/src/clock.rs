//! The one place of this crate that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::UnixSeconds;
use protocol::envelope::MessageId;

/// Seconds since the epoch; 0 on a machine whose clock stands before 1970.
#[must_use]
pub fn now() -> UnixSeconds {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A new id, for a message that is written down before it is sent.
#[must_use]
pub fn message_id() -> MessageId {
    MessageId::new(now(), rand::random())
}
