//! Defines the limits that a relay tells an agent when it registers.

use serde::{Deserialize, Serialize};

use crate::limits;

/// The limits of one session. An absent member has the default; the limits that the operator of a
/// relay can set have the default of the setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SessionLimits {
    /// Deliveries and notices that may be unacknowledged before the relay stops sending.
    pub window_messages: u64,
    /// Bytes of envelopes that may be unacknowledged before the relay stops sending. An empty
    /// window takes one message of any size.
    pub window_bytes: u64,
    /// Bytes of a frame, in either direction.
    pub frame_bytes: u64,
    /// Bytes of the JSON of an envelope.
    pub envelope_bytes: u64,
    /// Bytes of the JSON of a content before padding.
    pub content_bytes: u64,
    /// The longest `ttl` in seconds.
    pub ttl_seconds: u64,
    /// Sends that may wait for their answer.
    pub unanswered_sends: u64,
    /// Sends per second, on average.
    pub sends_per_second: u64,
    /// Sends at once.
    pub sends_burst: u64,
    /// Other requests per second, on average.
    pub queries_per_second: u64,
    /// Other requests at once.
    pub queries_burst: u64,
    /// Messages that may wait in the mailbox of one agent.
    pub mailbox_messages: u64,
    /// Bytes of the messages that may wait in the mailbox of one agent.
    pub mailbox_bytes: u64,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            window_messages: limits::WINDOW_MESSAGES,
            window_bytes: limits::WINDOW_BYTES as u64,
            frame_bytes: limits::FRAME_BYTES_MAX as u64,
            envelope_bytes: limits::ENVELOPE_BYTES_MAX as u64,
            content_bytes: limits::CONTENT_BYTES_MAX as u64,
            ttl_seconds: limits::MAX_TTL_SECONDS,
            unanswered_sends: limits::UNANSWERED_SENDS_MAX.into(),
            sends_per_second: limits::SENDS_PER_SECOND.into(),
            sends_burst: limits::SENDS_BURST.into(),
            queries_per_second: limits::QUERIES_PER_SECOND.into(),
            queries_burst: limits::QUERIES_BURST.into(),
            mailbox_messages: limits::MAILBOX_MESSAGES.into(),
            mailbox_bytes: limits::MAILBOX_BYTES,
        }
    }
}
