//! The only module of this crate that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::envelope::MessageId;

use crate::store::UnixMillis;

/// Milliseconds since the epoch. A clock before 1970 reads as 1970.
#[must_use]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A new id for a task, a context or a message to an agent.
#[must_use]
pub fn new_message_id() -> MessageId {
    MessageId::new((now() / 1000).cast_unsigned(), rand::random())
}
