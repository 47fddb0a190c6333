//! Connections between two agents without the relay: the addresses in a record, and the frames that
//! only such a connection has.
//!
//! A direct connection is a WebSocket over TLS 1.3, where each side proves its root key as a raw
//! public key (RFC 7250) before anything else. `docs/direct.md` describes it.

use serde::{Deserialize, Serialize};

use crate::Did;
use crate::envelope::MessageId;

mod endpoint;
mod refusal;

pub use endpoint::{DirectEndpoint, DirectEndpointError, check_services, endpoints_of, services};
pub use refusal::DirectRefusal;

/// The WebSocket subprotocol of a direct connection.
pub const DIRECT_SUBPROTOCOL: &str = "msg2agent.direct.v1";
/// The type of the service entries that list the addresses of an agent.
pub const DIRECT_SERVICE_TYPE: &str = "Msg2AgentDirect";
/// The code of a close frame whose reason is the word of a [`DirectRefusal`].
pub const DIRECT_CLOSE_CODE: u16 = 4470;
/// Addresses of one agent: two families, inside and outside of its network.
pub const DIRECT_ENDPOINTS_MAX: usize = 4;
/// Messages that are asked about at once: those of a window.
pub const SEEN_IDS_MAX: usize = 256;

/// The methods of a direct connection, besides `message.send`.
pub mod method {
    /// The first request, which the agent makes that dialled.
    pub const HELLO: &str = "direct.hello";
    /// Which of these messages does the recipient have?
    pub const SEEN: &str = "direct.seen";
}

/// Parameters of `direct.hello`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelloParams {
    /// Who dials. The root key of its record is the one that TLS proved.
    pub did: Did,
    /// Whom it wants to reach.
    pub to: Did,
    /// base64url of the bytes of its record.
    pub record: String,
}

/// Result of `direct.hello`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelloResult {
    /// base64url of the bytes of the listener's record.
    pub record: String,
    /// Messages that may be unanswered at once, in either direction.
    pub window: u64,
    /// Bytes of their envelopes.
    pub window_bytes: u64,
}

/// Parameters of `direct.seen`: at most [`SEEN_IDS_MAX`] messages that the asking agent sent, on
/// whatever way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenParams {
    pub ids: Vec<MessageId>,
}

/// Result of `direct.seen`. What is in neither list did not arrive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenResult {
    /// Messages that the application has acknowledged.
    pub processed: Vec<MessageId>,
    /// Messages that the application has, or is shown next.
    pub held: Vec<MessageId>,
}
