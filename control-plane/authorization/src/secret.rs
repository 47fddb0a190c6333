//! Random secrets that are shown once and stored as SHA-256: invitations, codes, refresh tokens,
//! cookies.

use protocol::base64url;
use rand::CryptoRng;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// A secret of 256 random bits, with a prefix for its kind. It has no `Debug` and is zeroed when
/// dropped.
pub(crate) struct Secret(Zeroizing<String>);

/// The SHA-256 of a secret. 256 random bits need no salt, and the time of a lookup by hash reveals
/// nothing about other secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SecretHash([u8; 32]);

impl Secret {
    pub(crate) fn generate(prefix: &str, rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0u8; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(Zeroizing::new(format!("{prefix}{}", base64url::encode(bytes.as_ref()))))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    pub(crate) fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

impl SecretHash {
    pub(crate) fn of(presented: &str) -> Self {
        Self(Sha256::digest(presented).into())
    }

    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// An opaque id of 128 random bits, so that other ids cannot be guessed.
pub(crate) fn random_id(prefix: &str, rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0u8; 16];
    rng.fill_bytes(&mut bytes);
    format!("{prefix}{}", base64url::encode(&bytes))
}
