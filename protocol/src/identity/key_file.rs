//! Reads and writes the key file of an identity: JSON, in a file of mode 0600 or in a Secret.

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use x25519_dalek::StaticSecret;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{DatedKey, Identity, KeyUse, Kid};
use crate::limits::KEYS_PER_USE_MAX;
use crate::{Did, UnixSeconds, base64url};

/// The only version of the format.
const VERSION: u32 = 1;

/// Why a key file was refused. The error never holds key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    #[error("the key file is not JSON of the right shape (line {line}, column {column})")]
    Shape { line: usize, column: usize },
    #[error("the key file has version {0}; this program reads version {VERSION}")]
    Version(u32),
    #[error("the key file holds no {0}, too many of them, or one whose id is repeated or of the wrong use")]
    Keys(&'static str),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    version: u32,
    did: Did,
    root: Seed,
    signing: Vec<DatedSeed>,
    encryption: Vec<DatedSeed>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DatedSeed {
    kid: Kid,
    created: UnixSeconds,
    seed: Seed,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
struct Seed(#[serde(with = "base64url::array")] [u8; 32]);

impl Identity {
    /// Writes the key file's JSON. The caller keeps it where only the agent can read it.
    #[must_use]
    pub fn to_key_file(&self) -> Zeroizing<String> {
        let file = KeyFile {
            version: VERSION,
            did: self.did.clone(),
            root: Seed(self.root.to_bytes()),
            signing: self.signing.iter().map(|k| dated(k, k.key.to_bytes())).collect(),
            encryption: self.encryption.iter().map(|k| dated(k, k.key.to_bytes())).collect(),
        };
        // Strings and numbers always serialize.
        Zeroizing::new(serde_json::to_string_pretty(&file).unwrap_or_default())
    }

    /// Reads a key file's JSON.
    ///
    /// # Errors
    /// The text has another shape or version, or its lists of keys are empty, too long, or
    /// inconsistent.
    pub fn from_key_file(text: &str) -> Result<Self, KeyFileError> {
        let file: KeyFile = serde_json::from_str(text)
            .map_err(|e| KeyFileError::Shape { line: e.line(), column: e.column() })?;
        if file.version != VERSION {
            return Err(KeyFileError::Version(file.version));
        }
        check_keys(&file.signing, KeyUse::Signing, "signing key")?;
        check_keys(&file.encryption, KeyUse::Encryption, "encryption key")?;
        Ok(Self {
            did: file.did.clone(),
            root: SigningKey::from_bytes(&file.root.0),
            signing: file.signing.iter().map(|s| undated(s, SigningKey::from_bytes(&s.seed.0))).collect(),
            encryption: file.encryption.iter().map(|s| undated(s, StaticSecret::from(s.seed.0))).collect(),
        })
    }
}

fn dated<K>(key: &DatedKey<K>, seed: [u8; 32]) -> DatedSeed {
    DatedSeed { kid: key.kid.clone(), created: key.created, seed: Seed(seed) }
}

fn undated<K>(seed: &DatedSeed, key: K) -> DatedKey<K> {
    DatedKey { kid: seed.kid.clone(), created: seed.created, key }
}

fn check_keys(keys: &[DatedSeed], of: KeyUse, name: &'static str) -> Result<(), KeyFileError> {
    let right_use = keys.iter().all(|k| k.kid.key_use() == of);
    let rising = keys.iter().zip(keys.iter().skip(1)).all(|(a, b)| a.kid.number() < b.kid.number());
    let fits = (1..=KEYS_PER_USE_MAX).contains(&keys.len());
    if right_use && rising && fits { Ok(()) } else { Err(KeyFileError::Keys(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_survives_its_key_file() {
        let did: Did = "did:wba:example.com:agent:bob".parse().unwrap();
        let mut it = Identity::generate(did.clone(), 5, &mut rand::rng());
        it.rotate(6, &mut rand::rng());
        let back = Identity::from_key_file(&it.to_key_file()).unwrap();
        assert_eq!(back.did(), &did);
        assert_eq!(back.root_public(), it.root_public());
        assert_eq!(back.to_key_file(), it.to_key_file());
    }

    #[test]
    fn a_damaged_key_file_is_refused_without_repeating_it() {
        let did: Did = "did:wba:example.com:agent:bob".parse().unwrap();
        let text = Identity::generate(did, 5, &mut rand::rng()).to_key_file().to_string();
        let refused = |text: &str| Identity::from_key_file(text).map(|_| ()).unwrap_err();
        assert_eq!(refused(&text.replace("\"version\": 1", "\"version\": 2")), KeyFileError::Version(2));
        assert_eq!(refused(&text.replace("sig-1", "enc-1")), KeyFileError::Keys("signing key"));
        assert!(matches!(refused("{"), KeyFileError::Shape { .. }));
    }
}
