//! Parses the protected header of an envelope, which is signed and authenticated but not encrypted.

use serde::{Deserialize, Serialize};

use super::MessageId;
use crate::identity::Kid;
use crate::limits::{HEADER_BYTES_MAX, THREAD_BYTES_MAX};
use crate::{Did, UnixSeconds, base64url, strict_json};

/// Everything about a message that is signed but not encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub suite: Suite,
    pub id: MessageId,
    pub from: Did,
    pub to: Did,
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub class: Class,
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub r#type: MessageType,
    /// Joins the messages of one conversation; at most [`THREAD_BYTES_MAX`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re: Option<MessageId>,
    /// When the message was sealed.
    pub time: UnixSeconds,
    /// Seconds until a reliable message expires. Ephemeral messages have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// The id of the sender's signing key.
    pub skid: Kid,
    /// The id of the recipient's encryption key.
    pub rkid: Kid,
    /// The ephemeral X25519 public key of this message.
    #[serde(with = "base64url::array")]
    pub epk: [u8; 32],
    /// The commitment to the message key, so that a key that is disclosed later proves one
    /// plaintext only.
    #[serde(with = "base64url::array")]
    pub commit: [u8; 32],
}

/// The cipher suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Suite {
    #[serde(rename = "x25519-xchacha20poly1305")]
    X25519XChaCha20Poly1305,
}

/// How a message is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// The relay keeps it until the recipient acknowledges it or its TTL ends.
    Reliable,
    /// It is delivered at most once and never stored. It is refused when the recipient is offline.
    Ephemeral,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageType {
    Request,
    Response,
    Error,
    Event,
    Receipt,
    Typing,
}

impl MessageType {
    pub const ALL: [Self; 6] =
        [Self::Request, Self::Response, Self::Error, Self::Event, Self::Receipt, Self::Typing];

    /// The type as on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Error => "error",
            Self::Event => "event",
            Self::Receipt => "receipt",
            Self::Typing => "typing",
        }
    }
}

/// Why a header was refused.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    #[error("the protected header is not canonical base64url of at most {HEADER_BYTES_MAX} bytes")]
    Encoding,
    #[error("the protected header is not JSON of the right shape")]
    Shape(#[source] serde_json::Error),
    #[error("a thread label has at most {THREAD_BYTES_MAX} bytes")]
    Thread,
    #[error("a reliable message has a ttl, an ephemeral one has none, and typing is always ephemeral")]
    Class,
}

impl Header {
    /// Parses the base64url text of a header.
    ///
    /// # Errors
    /// The text is not one JSON object of this shape within its limits.
    pub fn parse(protected: &str) -> Result<Self, HeaderError> {
        let bytes = base64url::decode(protected).map_err(|_| HeaderError::Encoding)?;
        if bytes.len() > HEADER_BYTES_MAX {
            return Err(HeaderError::Encoding);
        }
        let header: Self = strict_json::from_slice(&bytes).map_err(HeaderError::Shape)?;
        header.check()?;
        Ok(header)
    }

    pub(super) fn check(&self) -> Result<(), HeaderError> {
        if self.thread.as_ref().is_some_and(|t| t.len() > THREAD_BYTES_MAX) {
            return Err(HeaderError::Thread);
        }
        let classed = match self.class {
            Class::Reliable => self.ttl.is_some() && self.r#type != MessageType::Typing,
            Class::Ephemeral => self.ttl.is_none(),
        };
        if classed { Ok(()) } else { Err(HeaderError::Class) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_types_are_spelled_as_on_the_wire() {
        for kind in MessageType::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
