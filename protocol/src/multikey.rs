//! Encodes and decodes public keys as Multikeys (W3C Controlled Identifiers section 2.2.2).
//!
//! A Multikey is `z` followed by the base58btc text of a two-byte prefix and the 32 bytes of the
//! key. Decoding refuses keys whose signatures anybody could make: Ed25519 points of small order or
//! in a non-canonical form.
//!
//! ```
//! use ed25519_dalek::SigningKey;
//! use msg2agent_protocol::multikey::{self, MultikeyError};
//!
//! let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
//! let text = multikey::encode_ed25519(&key);
//! assert!(text.starts_with("z6Mk"));
//! assert_eq!(multikey::decode_ed25519(&text), Ok(key));
//! assert_eq!(multikey::decode_x25519(&text), Err(MultikeyError::Kind));
//! ```

use ed25519_dalek::VerifyingKey;
use x25519_dalek::PublicKey;

const ED25519_PREFIX: [u8; 2] = [0xed, 0x01];
const X25519_PREFIX: [u8; 2] = [0xec, 0x01];
/// Bytes of the longest text that is decoded. Base58 decoding is quadratic, so its input is bounded
/// first.
const TEXT_BYTES_MAX: usize = 64;

/// Why a text is not a usable Multikey.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MultikeyError {
    #[error("a public key is written as `z` and base58btc of a prefix and 32 bytes")]
    Encoding,
    #[error("the key has another type than expected")]
    Kind,
    #[error("the key is not a valid point, or has a part of small order")]
    WeakKey,
    #[error("the key is not in its only spelling: its coordinate is not reduced")]
    NotCanonical,
}

/// Encodes an Ed25519 public key with the prefix `0xed01`.
#[must_use]
pub fn encode_ed25519(key: &VerifyingKey) -> String {
    encode_ed25519_bytes(key.as_bytes())
}

/// Encodes the bytes of an Ed25519 public key that was checked before.
#[must_use]
pub fn encode_ed25519_bytes(key: &[u8; 32]) -> String {
    encode(ED25519_PREFIX, key)
}

/// Encodes an X25519 public key with the prefix `0xec01`.
#[must_use]
pub fn encode_x25519(key: &PublicKey) -> String {
    encode(X25519_PREFIX, key.as_bytes())
}

/// Decodes an Ed25519 public key.
///
/// # Errors
/// The text has another encoding, holds another kind of key, or a weak point.
pub fn decode_ed25519(text: &str) -> Result<VerifyingKey, MultikeyError> {
    let bytes = decode(text, ED25519_PREFIX)?;
    let key = VerifyingKey::from_bytes(&bytes).map_err(|_| MultikeyError::WeakKey)?;
    // The library reduces the coordinate, so that some points have a second spelling.
    let point = key.to_edwards();
    if point.compress().as_bytes() != &bytes {
        return Err(MultikeyError::NotCanonical);
    }
    if key.is_weak() || !point.is_torsion_free() { Err(MultikeyError::WeakKey) } else { Ok(key) }
}

/// Decodes an X25519 public key. It refuses the all-zero key. The other keys of small order are
/// refused when they are used, because the key exchange then gives zero (RFC 7748 section 6.1).
///
/// # Errors
/// The text has another encoding, holds another kind of key, the all-zero key, or a coordinate that
/// is not reduced.
pub fn decode_x25519(text: &str) -> Result<PublicKey, MultikeyError> {
    let bytes = decode(text, X25519_PREFIX)?;
    if !is_reduced(&bytes) {
        return Err(MultikeyError::NotCanonical);
    }
    if bytes == [0; 32] { Err(MultikeyError::WeakKey) } else { Ok(PublicKey::from(bytes)) }
}

/// Whether a little-endian number is below the prime 2^255 - 19.
fn is_reduced(bytes: &[u8; 32]) -> bool {
    let mut prime = [0xff; 32];
    (prime[0], prime[31]) = (0xed, 0x7f);
    bytes.iter().rev().lt(prime.iter().rev())
}

fn encode(prefix: [u8; 2], key: &[u8; 32]) -> String {
    let mut bytes = prefix.to_vec();
    bytes.extend_from_slice(key);
    format!("z{}", bs58::encode(bytes).into_string())
}

fn decode(text: &str, prefix: [u8; 2]) -> Result<[u8; 32], MultikeyError> {
    let body = text.strip_prefix('z').filter(|b| b.len() <= TEXT_BYTES_MAX).ok_or(MultikeyError::Encoding)?;
    let bytes = bs58::decode(body).into_vec().map_err(|_| MultikeyError::Encoding)?;
    let key: [u8; 34] = bytes.try_into().map_err(|_| MultikeyError::Encoding)?;
    let (found, key) = key.split_at(2);
    if found != prefix {
        return Err(MultikeyError::Kind);
    }
    key.try_into().map_err(|_| MultikeyError::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_order_points_of_ed25519_are_refused() {
        let identity = {
            let mut k = [0; 32];
            k[0] = 1;
            k
        };
        for point in [[0; 32], identity] {
            let text = encode(ED25519_PREFIX, &point);
            assert_eq!(decode_ed25519(&text), Err(MultikeyError::WeakKey));
        }
    }

    /// Numbers from 2^255 - 19 on, which are the same points as those from 0 on.
    fn unreduced(above: u8) -> [u8; 32] {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (0xed + above, 0x7f);
        bytes
    }

    #[test]
    fn a_second_spelling_of_a_key_is_refused() {
        let mut spelled_twice = 0;
        for above in 0..19 {
            let unreduced = unreduced(above);
            let mut reduced = [0; 32];
            reduced[0] = above;
            if VerifyingKey::from_bytes(&reduced).is_err() {
                continue;
            }
            spelled_twice += 1;
            let refused = decode_ed25519(&encode(ED25519_PREFIX, &unreduced));
            assert_eq!(refused, Err(MultikeyError::NotCanonical), "{above}");
        }
        assert!(spelled_twice > 3, "{spelled_twice}");
        assert_eq!(decode_x25519(&encode(X25519_PREFIX, &unreduced(9))), Err(MultikeyError::NotCanonical));
        assert_eq!(decode_x25519(&encode(X25519_PREFIX, &[0xff; 32])), Err(MultikeyError::NotCanonical));
    }

    #[test]
    fn a_key_of_the_other_kind_is_refused() {
        let text = encode(X25519_PREFIX, &[9; 32]);
        assert_eq!(decode_ed25519(&text), Err(MultikeyError::Kind));
        assert_eq!(decode_x25519(&text).unwrap().as_bytes(), &[9; 32]);
    }
}
