//! base64url without padding (RFC 4648 section 5), canonical: an encoding with unused bits set is refused, so that every
//! value has exactly one spelling.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// A text is not canonical base64url, or not of the length wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("not canonical base64url without padding")]
    Encoding,
    #[error("expected {expected} bytes, got {actual}")]
    Length { expected: usize, actual: usize },
}

#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// # Errors
/// [`DecodeError::Encoding`] when the text has another alphabet, padding, or set unused bits.
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

/// For `#[serde(with = "base64url::array")]` on `[u8; N]`.
pub mod array {
    use super::*;

    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&encode(bytes))
    }

    /// # Errors
    /// A text that is not canonical base64url of `N` bytes.
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
