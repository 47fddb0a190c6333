//! Encodes and decodes canonical base64url without padding (RFC 4648 section 5).
//!
//! A text whose unused bits are set is refused, so that every value has exactly one text.
//!
//! ```
//! use msg2agent_protocol::base64url::{decode, decode_array, encode};
//!
//! assert_eq!(encode(b"A"), "QQ");
//! assert_eq!(decode("QQ").unwrap(), b"A");
//! assert!(decode("QR").is_err(), "an unused bit is set");
//! assert!(decode_array::<32>("QQ").is_err(), "one byte instead of 32");
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Why a text was not decoded: it is not canonical base64url, or has another length than expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("not canonical base64url without padding")]
    Encoding,
    #[error("expected {expected} bytes, got {actual}")]
    Length { expected: usize, actual: usize },
}

/// Encodes bytes; the text has no padding.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes a text of any length.
///
/// # Errors
/// [`DecodeError::Encoding`] when the text has another alphabet, has padding, or has an unused bit
/// set.
pub fn decode(text: &str) -> Result<Vec<u8>, DecodeError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| DecodeError::Encoding)
}

/// Decodes exactly `N` bytes.
///
/// # Errors
/// As [`decode`], and [`DecodeError::Length`].
pub fn decode_array<const N: usize>(text: &str) -> Result<[u8; N], DecodeError> {
    let bytes = decode(text)?;
    bytes.try_into().map_err(|b: Vec<u8>| DecodeError::Length { expected: N, actual: b.len() })
}

/// Serde functions for `#[serde(with = "base64url::array")]` on a member of type `[u8; N]`.
pub mod array {
    use super::*;

    /// Serializes the bytes as a base64url string.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&encode(bytes))
    }

    /// Deserializes a base64url string of exactly `N` bytes.
    ///
    /// # Errors
    /// The text is not canonical base64url of `N` bytes.
    pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(from: D) -> Result<[u8; N], D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        decode_array(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_bits_and_padding_are_refused() {
        assert_eq!(decode("QQ").unwrap(), b"A");
        assert_eq!(decode("QR"), Err(DecodeError::Encoding));
        assert_eq!(decode("QQ=="), Err(DecodeError::Encoding));
        assert_eq!(decode("+/"), Err(DecodeError::Encoding));
    }

    #[test]
    fn a_wrong_length_names_both_lengths() {
        assert_eq!(decode_array::<2>("QQ"), Err(DecodeError::Length { expected: 2, actual: 1 }));
    }
}
