//! Reads and writes JSON-RPC 2.0 frames, with the parameters and results of every method.
//!
//! ```
//! use msg2agent_protocol::frame::{Incoming, LookupParams, method, write_request};
//! use msg2agent_protocol::strict_json;
//!
//! let params = LookupParams { did: "did:wba:example.com:agent:acme:bob".parse()? };
//! let mut frame = Vec::new();
//! write_request(&mut frame, 7, method::LOOKUP, &params);
//!
//! let text = String::from_utf8(frame)?;
//! match Incoming::parse(&text)? {
//!     Incoming::Request { id, method: name, params: json } => {
//!         assert_eq!((id.as_json(), &*name), ("7", method::LOOKUP));
//!         assert_eq!(strict_json::from_str::<LookupParams>(json)?, params);
//!     }
//!     other => panic!("not a request: {other:?}"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::quota::Quota;
use crate::record::Card;
use crate::{Did, Envelope, Reason, UnixSeconds, base64url, strict_json};

mod incoming;
mod outgoing;
mod trace_context;

pub use incoming::{Incoming, IncomingError, RequestId};
pub use outgoing::{write_deliver, write_error, write_notification, write_request, write_result};
pub use trace_context::{request_number, traced_id, traceparent_of};

/// The WebSocket subprotocol of this version of the protocol.
pub const SUBPROTOCOL: &str = "msg2agent.v1";

/// The names of the methods.
pub mod method {
    pub const CHALLENGE: &str = "relay.challenge";
    pub const REGISTER: &str = "relay.register";
    pub const DISCOVER: &str = "relay.discover";
    pub const LOOKUP: &str = "relay.lookup";
    pub const SEND: &str = "message.send";
    /// Notification from client to relay.
    pub const ACK: &str = "relay.ack";
    /// Notification from relay to client, as the next two.
    pub const DELIVER: &str = "relay.deliver";
    pub const NOTICE: &str = "relay.notice";
    pub const GOODBYE: &str = "relay.goodbye";
}

/// Parameters of `relay.challenge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeParams {
    pub did: Did,
}

/// Result of `relay.challenge`: what [`crate::challenge::sign`] signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeResult {
    #[serde(with = "base64url::array")]
    pub nonce: [u8; 32],
    pub domain: crate::did::Domain,
    /// Seconds until the nonce expires.
    pub expires: u64,
}

/// Parameters of `relay.register`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterParams {
    pub did: Did,
    /// base64url of the record's bytes.
    pub record: String,
    pub kid: crate::identity::Kid,
    #[serde(with = "base64url::array")]
    pub signature: [u8; 64],
}

/// Result of `relay.register`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterResult {
    /// The number of this session; each session of an agent has a higher one.
    pub epoch: u64,
    pub tenant: crate::did::TenantId,
    /// How many deliveries may be unacknowledged before the relay stops sending.
    pub window: u64,
    /// How many messages wait in the mailbox.
    pub pending: u64,
}

/// Parameters of `relay.discover`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoverParams {
    /// Only agents with this capability id; absent: all agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// The `cursor` of the previous page; absent: the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Did>,
    /// How many agents at most, up to [`crate::limits::DISCOVER_PAGE_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Result of `relay.discover`: one page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoverResult {
    pub agents: Vec<DiscoveredAgent>,
    /// The cursor of the next page; absent: this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Did>,
}

/// An agent that discovery found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoveredAgent {
    pub did: Did,
    pub card: Card,
    pub online: bool,
}

/// Parameters of `relay.lookup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupParams {
    pub did: Did,
}

/// Result of `relay.lookup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupResult {
    /// base64url of the record's bytes.
    pub record: String,
    pub online: bool,
}

/// The relay's answer to a message that it accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SendStatus {
    /// The message is on disk, after fsync.
    Stored,
    /// The recipient acknowledged the message.
    Delivered,
    /// The message was written to the recipient's connection. Ephemeral messages only; it may still
    /// be lost.
    Forwarded,
}

impl SendStatus {
    pub const ALL: [Self; 3] = [Self::Stored, Self::Delivered, Self::Forwarded];

    /// The status as on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Delivered => "delivered",
            Self::Forwarded => "forwarded",
        }
    }
}

/// Result of `message.send`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendResult {
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub status: SendStatus,
}

/// Parameters of `relay.ack`. It is cumulative: every delivery of this epoch up to `seq` was
/// processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AckParams {
    pub epoch: u64,
    pub seq: u64,
}

/// Parameters of `relay.deliver`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverParams {
    pub epoch: u64,
    /// Counts the deliveries and notices of the epoch, from 1.
    pub seq: u64,
    #[serde(deserialize_with = "strict_json::object")]
    pub envelope: Envelope,
}

/// Parameters of `relay.notice`: what became of a message that was answered `stored`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeParams {
    pub epoch: u64,
    /// The number to acknowledge; 0 for a notice that needs no acknowledgement.
    pub seq: u64,
    pub id: crate::envelope::MessageId,
    pub to: Did,
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub outcome: Outcome,
    pub at: UnixSeconds,
}

/// What became of a stored message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The recipient acknowledged it.
    Delivered,
    /// Its TTL ended before the recipient acknowledged it.
    Expired,
    /// The recipient was removed from the relay.
    Dropped,
}

/// Parameters of `relay.goodbye`, which the relay sends before it closes the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GoodbyeParams {
    pub reason: String,
    pub reconnect_after_ms: u64,
}

/// The `error` member of a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RpcError {
    pub code: i32,
    pub message: String,
    #[serde(deserialize_with = "strict_json::object")]
    pub data: RpcErrorData,
}

/// The `data` member of an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RpcErrorData {
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub reason: Reason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// With `rate_limited` and `mailbox_full`: the limit that was met.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict_json::optional_object"
    )]
    /// The limit that was met, with `rate_limited` and `mailbox_full`.
    pub quota: Option<Quota>,
}

impl RpcError {
    /// An error with the reason's code and advice.
    #[must_use]
    pub fn new(reason: Reason, retry_after_ms: Option<u64>) -> Self {
        Self {
            code: reason.code(),
            message: reason.advice().to_owned(),
            data: RpcErrorData { reason, retry_after_ms, quota: None },
        }
    }

    /// The same error with the limit that was met.
    #[must_use]
    pub const fn with_quota(mut self, quota: Option<Quota>) -> Self {
        self.data.quota = quota;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_spelled_as_on_the_wire() {
        for status in SendStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }
}
