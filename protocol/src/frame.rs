//! JSON-RPC 2.0 frames: what a client sends, what a relay sends, and their parameters.

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

/// The WebSocket subprotocol of this version.
pub const SUBPROTOCOL: &str = "msg2agent.v1";

/// The methods a client calls.
pub mod method {
    pub const CHALLENGE: &str = "relay.challenge";
    pub const REGISTER: &str = "relay.register";
    pub const DISCOVER: &str = "relay.discover";
    pub const LOOKUP: &str = "relay.lookup";
    pub const SEND: &str = "message.send";
    /// Notification of a client.
    pub const ACK: &str = "relay.ack";
    /// Notifications of the relay.
    pub const DELIVER: &str = "relay.deliver";
    pub const NOTICE: &str = "relay.notice";
    pub const GOODBYE: &str = "relay.goodbye";
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeParams {
    pub did: Did,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeResult {
    #[serde(with = "base64url::array")]
    pub nonce: [u8; 32],
    pub domain: crate::did::Domain,
    /// Seconds until the nonce is worthless.
    pub expires: u64,
}

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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterResult {
    pub epoch: u64,
    pub tenant: crate::did::TenantId,
    /// Deliveries that may stay unacknowledged.
    pub window: u64,
    /// Messages waiting in the mailbox.
    pub pending: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoverParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// Where the page before ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Did>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoverResult {
    pub agents: Vec<DiscoveredAgent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Did>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoveredAgent {
    pub did: Did,
    pub card: Card,
    pub online: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupParams {
    pub did: Did,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupResult {
    /// base64url of the record's bytes.
    pub record: String,
    pub online: bool,
}

/// The relay's answer to a send that it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SendStatus {
    /// On disk, fsynced.
    Stored,
    /// Acknowledged by the recipient.
    Delivered,
    /// Written to the recipient's connection; ephemeral messages only, no promise.
    Forwarded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendResult {
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub status: SendStatus,
}

/// Cumulative: every delivery of this epoch up to `seq` is processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AckParams {
    pub epoch: u64,
    pub seq: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverParams {
    pub epoch: u64,
    pub seq: u64,
    #[serde(deserialize_with = "strict_json::object")]
    pub envelope: Envelope,
}

/// The fate of a message that was answered `stored`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeParams {
    pub epoch: u64,
    /// 0 for a notice that needs no acknowledgement.
    pub seq: u64,
    pub id: crate::envelope::MessageId,
    pub to: Did,
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub outcome: Outcome,
    pub at: UnixSeconds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Delivered,
    /// The TTL ended before the recipient acknowledged it.
    Expired,
    /// The recipient was removed.
    Dropped,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GoodbyeParams {
    pub reason: String,
    pub reconnect_after_ms: u64,
}

/// The `error` member of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RpcError {
    pub code: i32,
    pub message: String,
    #[serde(deserialize_with = "strict_json::object")]
    pub data: RpcErrorData,
}

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
    pub quota: Option<Quota>,
}

impl RpcError {
    #[must_use]
    pub fn new(reason: Reason, retry_after_ms: Option<u64>) -> Self {
        Self {
            code: reason.code(),
            message: reason.advice().to_owned(),
            data: RpcErrorData { reason, retry_after_ms, quota: None },
        }
    }

    #[must_use]
    pub const fn with_quota(mut self, quota: Option<Quota>) -> Self {
        self.data.quota = quota;
        self
    }
}
