//! Generates and parses message ids: UUIDs of version 7, in lower case with hyphens.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::{Builder, Uuid, Variant};

use crate::UnixSeconds;

/// The id of a message, made by its sender. Together with the sender's DID it is unique.
///
/// ```
/// use msg2agent_protocol::envelope::MessageId;
///
/// let id = MessageId::new(1_790_000_000, rand::random());
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert!(id.to_string().to_uppercase().parse::<MessageId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Uuid);

/// The text is not a message id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a message id is a UUID version 7 in lower case with hyphens")]
pub struct MessageIdError;

impl MessageId {
    /// Makes an id (RFC 9562 section 5.7) from a time and ten random bytes.
    #[must_use]
    pub fn new(now: UnixSeconds, random: [u8; 10]) -> Self {
        Self(Builder::from_unix_timestamp_millis(now.saturating_mul(1000), &random).into_uuid())
    }

    /// The id with these bytes.
    ///
    /// # Errors
    /// They are not a UUID of version 7.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, MessageIdError> {
        Self::of(Uuid::from_bytes(bytes))
    }

    fn of(id: Uuid) -> Result<Self, MessageIdError> {
        let good = id.get_version_num() == 7 && id.get_variant() == Variant::RFC4122;
        if good { Ok(Self(id)) } else { Err(MessageIdError) }
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl FromStr for MessageId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, MessageIdError> {
        let id = Uuid::try_parse(text).map_err(|_| MessageIdError)?;
        let mut buffer = Uuid::encode_buffer();
        let one_spelling = id.hyphenated().encode_lower(&mut buffer) == text;
        if one_spelling { Self::of(id) } else { Err(MessageIdError) }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lower_case_hyphenated_spelling_of_version_7_is_read() {
        let id = MessageId::new(1_790_000_000, [7; 10]);
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        for other in [text.to_uppercase(), text.replace('-', ""), uuid::Uuid::from_bytes([4; 16]).to_string()]
        {
            assert_eq!(other.parse::<MessageId>(), Err(MessageIdError), "{other}");
        }
    }
}
