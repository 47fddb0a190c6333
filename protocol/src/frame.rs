//! Reads and writes JSON-RPC 2.0 frames, with the parameters and results of every method.
//!
//! What a client sends is read strictly. What a relay sends may have members that are newer than
//! its reader, which are ignored.
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

use crate::record::Card;
use crate::refusal::{self, RefusalReason};
use crate::{Did, Envelope, Reason, UnixSeconds, base64url, strict_json};

mod incoming;
mod outgoing;
mod rpc_error;
mod send_frame;
mod session_limits;
mod trace_context;

pub use incoming::{Incoming, IncomingError, RequestId};
pub use outgoing::{
    write_deliver, write_error, write_notification, write_request, write_result, write_send_result,
};
pub use rpc_error::{RpcError, RpcErrorData};
pub use send_frame::SendFrame;
pub use session_limits::SessionLimits;
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
    /// Notification from client to relay.
    pub const REFUSE: &str = "relay.refuse";
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

/// The names of what a relay can do beyond the first version of the protocol, as in
/// [`RegisterResult::features`].
pub mod feature {
    /// The relay takes [`method::REFUSE`](super::method::REFUSE).
    pub const REFUSE: &str = "refuse";
}

/// Result of `relay.register`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterResult {
    /// The number of this session; each session of an agent has a higher one.
    pub epoch: u64,
    pub tenant: crate::did::TenantId,
    /// How many deliveries may be unacknowledged before the relay stops sending, as in `limits`.
    pub window: u64,
    /// How many messages and notices wait in the mailbox.
    pub pending: u64,
    /// The limits of this session. A relay that says none has the defaults.
    #[serde(default)]
    pub limits: SessionLimits,
    /// What this relay can do beyond the first version of the protocol, see [`feature`].
    #[serde(default)]
    pub features: Vec<String>,
    /// The time of the relay's clock. A relay of an earlier version does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<crate::UnixSeconds>,
}

impl RegisterResult {
    /// Whether the relay has this [`feature`].
    #[must_use]
    pub fn supports(&self, feature: &str) -> bool {
        self.features.iter().any(|known| known == feature)
    }
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
pub struct DiscoverResult {
    pub agents: Vec<DiscoveredAgent>,
    /// The cursor of the next page; absent: this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Did>,
}

/// An agent that discovery found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[serde(rename_all = "camelCase")]
pub struct LookupResult {
    /// base64url of the record's bytes.
    pub record: String,
    pub online: bool,
    /// The root keys that the agent's administrator replaced, the newest last; at most
    /// [`FORMER_ROOT_KEYS_MAX`](crate::limits::FORMER_ROOT_KEYS_MAX). Who trusts the
    /// administrator may accept the new root key in place of one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_root_keys: Vec<FormerRootKey>,
}

/// A root key that the agent's administrator replaced by another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FormerRootKey {
    /// As a Multikey.
    pub root_key: String,
    pub replaced_at: UnixSeconds,
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

/// Parameters of `relay.refuse`: the recipient will never process this one delivery. The relay
/// removes the message and tells its sender. It acknowledges nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefuseParams {
    pub epoch: u64,
    pub seq: u64,
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub reason: RefusalReason,
}

/// Parameters of `relay.deliver`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverParams {
    pub epoch: u64,
    /// Counts the deliveries and notices of the epoch, from 1.
    pub seq: u64,
    #[serde(deserialize_with = "strict_json::object")]
    pub envelope: Envelope,
}

/// Parameters of `relay.notice`: what became of a message that was answered `stored`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeParams {
    pub epoch: u64,
    /// The number to acknowledge; 0 for a notice that needs no acknowledgement.
    pub seq: u64,
    pub id: crate::envelope::MessageId,
    pub to: Did,
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub outcome: Outcome,
    pub at: UnixSeconds,
    /// With the outcome `refused`: why the recipient refused the message. A reason that is newer
    /// than its reader is left out.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "refusal::optional_reason")]
    pub reason: Option<RefusalReason>,
    /// How many older notices of this mailbox were dropped, because more than
    /// [`crate::limits::NOTICES_MAX`] waited.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
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
    /// The recipient received it, and will never process it.
    Refused,
}

impl Outcome {
    pub const ALL: [Self; 4] = [Self::Delivered, Self::Expired, Self::Dropped, Self::Refused];

    /// The outcome as on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Expired => "expired",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
        }
    }
}

/// Parameters of `relay.goodbye`, which the relay sends before it closes the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoodbyeParams {
    pub reason: String,
    pub reconnect_after_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_outcomes_are_spelled_as_on_the_wire() {
        for status in SendStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
    }

    #[test]
    fn a_relay_that_says_no_limits_and_features_has_the_defaults_and_none() {
        let first = r#"{"epoch":4294967297,"tenant":"acme","window":256,"pending":0}"#;
        let result: RegisterResult = strict_json::from_str(first).unwrap();
        assert_eq!(result.limits, SessionLimits::default());
        assert!(!result.supports(feature::REFUSE));
    }

    #[test]
    fn what_a_newer_relay_says_is_read_without_what_is_new_in_it() {
        let newer = r#"{"epoch":1,"tenant":"acme","window":256,"pending":0,"shard":3,
            "limits":{"windowBytes":7,"moons":2},"features":["refuse","teleport"]}"#;
        let result: RegisterResult = strict_json::from_str(newer).unwrap();
        assert_eq!(result.limits, SessionLimits { window_bytes: 7, ..SessionLimits::default() });
        assert!(result.supports(feature::REFUSE));

        let notice = r#"{"epoch":1,"seq":2,"id":"01a0f4c8-5c00-7000-8000-000000000000",
            "to":"did:wba:x.y:agent:a","outcome":"refused","at":7,"reason":"bad_mood","x":1}"#;
        let notice: NoticeParams = strict_json::from_str(notice).unwrap();
        assert_eq!((notice.outcome, notice.reason, notice.missed), (Outcome::Refused, None, 0));
    }

    #[test]
    fn a_refusal_with_another_word_or_member_is_an_error() {
        let refuse = |text| strict_json::from_str::<RefuseParams>(text);
        let params = refuse(r#"{"epoch":1,"seq":2,"reason":"not_fresh"}"#).unwrap();
        assert_eq!(params.reason, RefusalReason::NotFresh);
        for text in [
            r#"{"epoch":1,"seq":2,"reason":"bad_mood"}"#,
            r#"{"epoch":1,"seq":2,"reason":{"not_fresh":null}}"#,
            r#"{"epoch":1,"seq":2,"reason":"not_fresh","x":1}"#,
            r#"{"epoch":1,"seq":2}"#,
        ] {
            refuse(text).unwrap_err();
        }
    }
}
