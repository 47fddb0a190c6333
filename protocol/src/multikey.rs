//! Public keys as Multikey multibase (W3C Controlled Identifiers section 2.2.2): `z` + base58btc of a two-byte prefix and
//! 32 bytes. Decoding refuses keys nobody can hold: small-order and non-canonical Ed25519 points.

use ed25519_dalek::VerifyingKey;
use x25519_dalek::PublicKey;

const ED25519_PREFIX: [u8; 2] = [0xed, 0x01];
const X25519_PREFIX: [u8; 2] = [0xec, 0x01];
/// Characters of the longest encoding; base58 decoding is quadratic, so its input is bounded first.
const TEXT_BYTES_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MultikeyError {
    #[error("a public key is written as `z` and base58btc of a prefix and 32 bytes")]
    Encoding,
    #[error("the key is of another kind than is wanted here")]
    Kind,
    #[error("the key is not a valid point, or one of small order that anybody could sign for")]
    WeakKey,
}

#[must_use]
pub fn encode_ed25519(key: &VerifyingKey) -> String {
    encode(ED25519_PREFIX, key.as_bytes())
}

#[must_use]
pub fn encode_x25519(key: &PublicKey) -> String {
    encode(X25519_PREFIX, key.as_bytes())
}

/// # Errors
/// Another encoding, another kind of key, or a weak point.
pub fn decode_ed25519(text: &str) -> Result<VerifyingKey, MultikeyError> {
    let key = VerifyingKey::from_bytes(&decode(text, ED25519_PREFIX)?).map_err(|_| MultikeyError::WeakKey)?;
    if key.is_weak() { Err(MultikeyError::WeakKey) } else { Ok(key) }
}

/// Small-order X25519 keys are refused where they are used, by the result of the exchange (RFC 7748 section 6.1); the
/// all-zero key is refused here already.
///
/// # Errors
/// Another encoding, another kind of key, or the all-zero key.
pub fn decode_x25519(text: &str) -> Result<PublicKey, MultikeyError> {
    let bytes = decode(text, X25519_PREFIX)?;
    if bytes == [0; 32] { Err(MultikeyError::WeakKey) } else { Ok(PublicKey::from(bytes)) }
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

    #[test]
    fn a_key_of_the_other_kind_is_refused() {
        let text = encode(X25519_PREFIX, &[9; 32]);
        assert_eq!(decode_ed25519(&text), Err(MultikeyError::Kind));
        assert_eq!(decode_x25519(&text).unwrap().as_bytes(), &[9; 32]);
    }
}
