//! One message between two agents, as it travels: routing members that the relay reads, and three opaque texts.
//!
//! [`seal::seal`] makes one, [`open::open`] checks and decrypts one, [`routing::Routing`] is the relay's borrowed view.

use serde::{Deserialize, Serialize};

use crate::{Did, strict_json};

pub mod content;
pub mod freshness;
pub mod header;
pub mod message_id;
pub mod open;
pub mod routing;
pub mod seal;
pub mod suite1;

pub use content::Content;
pub use header::{Class, Header, MessageType};
pub use message_id::MessageId;
pub use open::{OpenError, Opened, open};
pub use routing::Routing;
pub use seal::{Draft, SealError, seal};

/// An envelope owned by an agent. The relay never builds this type; it forwards the bytes that arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    pub to: Did,
    pub from: Did,
    pub id: MessageId,
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub class: Class,
    /// Seconds the relay keeps a reliable message; absent on ephemeral ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// base64url of the [`Header`]'s JSON.
    pub protected: String,
    /// base64url of the ciphertext.
    pub body: String,
    /// base64url of the Ed25519 signature over `protected "." body`.
    pub signature: String,
}

impl Envelope {
    /// # Errors
    /// What serde says about a text that is not one envelope.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        strict_json::from_str(text)
    }
}
