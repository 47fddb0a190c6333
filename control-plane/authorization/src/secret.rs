//! Random secrets that are given out once and kept as SHA-256: invitations, codes, refresh tokens, cookies.

use protocol::base64url;
use rand::CryptoRng;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// A secret of 256 random bits with a prefix that says what it is. No `Debug`; zeroed when dropped.
pub(super) struct Secret(Zeroizing<String>);

/// Its SHA-256. 256 random bits need no salt, and looking one up by hash tells nothing about others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SecretHash([u8; 32]);

impl Secret {
    pub(super) fn generate(prefix: &str, rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0u8; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(Zeroizing::new(format!("{prefix}{}", base64url::encode(bytes.as_ref()))))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

impl SecretHash {
    pub(super) fn of(presented: &str) -> Self {
        Self(Sha256::digest(presented).into())
    }

    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// An opaque name: 128 random bits, so that names of others cannot be guessed.
pub(super) fn random_id(prefix: &str, rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0u8; 16];
    rng.fill_bytes(&mut bytes);
    format!("{prefix}{}", base64url::encode(&bytes))
}
