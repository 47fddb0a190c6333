//! Generates and parses API keys, their SHA-256 hashes and their public ids.
//!
//! A key is `sk_live_` or `sk_test_` followed by 32 random bytes as 43 base64url characters.
//! Servers keep only its [`KeyHash`]; logs and status show only its [`KeyId`].
//!
//! ```
//! use msg2agent_protocol::api_key::{ApiKey, KeyHash};
//!
//! let key = ApiKey::generate(&mut rand::rng());
//! let presented: ApiKey = key.reveal().parse()?;
//! assert_eq!(presented.hash(), key.hash());
//! assert_eq!(KeyHash::sha256(key.reveal()), key.hash());
//! assert!(key.hash().key_id().as_str().starts_with("k_"));
//! # Ok::<(), msg2agent_protocol::api_key::ApiKeyError>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::base64url;

const PREFIXES: [&str; 2] = ["sk_live_", "sk_test_"];

/// An API key in plain text. It has neither `Debug` nor `Display`, and is zeroed when dropped.
#[derive(Clone)]
pub struct ApiKey(Zeroizing<String>);

/// The text is not an API key. The error does not repeat the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an API key is sk_live_ or sk_test_ and 43 base64url characters")]
pub struct ApiKeyError;

impl ApiKey {
    /// Makes a new `sk_live_` key from 32 random bytes.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut());
        Self(Zeroizing::new(format!("sk_live_{}", base64url::encode(bytes.as_ref()))))
    }

    /// The key in plain text, for the code that presents or stores it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The hash that a server stores and looks the key up by.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash::sha256(&self.0)
    }
}

impl FromStr for ApiKey {
    type Err = ApiKeyError;

    fn from_str(text: &str) -> Result<Self, ApiKeyError> {
        let secret = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).ok_or(ApiKeyError)?;
        base64url::decode_array::<32>(secret).map_err(|_| ApiKeyError)?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

/// The SHA-256 of an API key, of an invitation code or of another secret. Its text is 64 lower-case
/// hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash([u8; 32]);

/// The text is not a key hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key hash is 64 lower-case hex digits")]
pub struct KeyHashError;

impl KeyHash {
    /// Hashes any text, whether it has the form of a key or not.
    #[must_use]
    pub fn sha256(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The public id of the key with this hash.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        KeyId(format!("k_{}", self.to_string().chars().take(12).collect::<String>()).into())
    }
}

impl FromStr for KeyHash {
    type Err = KeyHashError;

    fn from_str(text: &str) -> Result<Self, KeyHashError> {
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return Err(KeyHashError);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte =
                pair.iter().try_fold(0, |acc, digit| Some(acc * 16 + hex(*digit)?)).ok_or(KeyHashError)?;
        }
        Ok(Self(bytes))
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.key_id(), f)
    }
}

/// The public id of an API key: `k_` and the first 12 hex digits of its hash. It is safe to log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

/// The text is not the id of an API key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key id is k_ and 12 lower-case hex digits")]
pub struct KeyIdError;

impl KeyId {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        let digits = text.strip_prefix("k_").ok_or(KeyIdError)?;
        let good = digits.len() == 12 && digits.bytes().all(|b| hex(b).is_some());
        if good { Ok(Self(text.into())) } else { Err(KeyIdError) }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! serde_by_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

serde_by_text!(KeyHash, KeyId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_its_hash_and_its_id_belong_together() {
        let key = ApiKey::generate(&mut rand::rng());
        assert_eq!(key.reveal().len(), 51);
        let again: ApiKey = key.reveal().parse().unwrap();
        assert_eq!(again.hash(), key.hash());
        let text = key.hash().to_string();
        assert_eq!(text.parse(), Ok(key.hash()));
        assert_eq!(key.hash().key_id().as_str(), format!("k_{}", text.get(..12).unwrap()));
    }

    #[test]
    fn other_texts_are_not_keys() {
        for text in ["", "sk_live_", "sk_live_abc", "pk_live_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(text.parse::<ApiKey>().is_err(), "{text}");
        }
    }
}
