//! The only module of this crate that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::UnixSeconds;
use protocol::envelope::MessageId;

/// Seconds since the epoch. A clock before 1970 reads as 1970.
#[must_use]
pub fn now() -> UnixSeconds {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A new id for a message that is stored before it is sent.
#[must_use]
pub fn new_message_id() -> MessageId {
    MessageId::new(now(), rand::random())
}
