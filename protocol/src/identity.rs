//! Holds, rotates and stores the private keys of an agent.
//!
//! The root key signs DID documents and never changes; signing and encryption keys rotate. The type
//! has no `Debug` and zeroes its keys when it is dropped.
//!
//! ```
//! use msg2agent_protocol::Identity;
//!
//! let did = "did:wba:example.com:agent:acme:alice".parse()?;
//! let mut alice = Identity::generate(did, 1_790_000_000, &mut rand::rng());
//! alice.rotate(1_790_086_400, &mut rand::rng());
//! assert_eq!(alice.signing().len(), 2);
//!
//! let file = alice.to_key_file();
//! let again = Identity::from_key_file(&file)?;
//! assert_eq!(again.root_public(), alice.root_public());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use ed25519_dalek::{SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};

use crate::limits::{KEYS_PER_USE_MAX, MAX_TTL_SECONDS};
use crate::{Did, UnixSeconds};

mod key_file;
mod kid;

pub use key_file::KeyFileError;
pub use kid::{KeyUse, Kid, KidError};

/// A rotating key and the time it was made.
pub struct DatedKey<K> {
    pub kid: Kid,
    pub created: UnixSeconds,
    pub key: K,
}

/// The keys of one agent. Each list holds at least one key; the newest is the last.
pub struct Identity {
    did: Did,
    root: SigningKey,
    signing: Vec<DatedKey<SigningKey>>,
    encryption: Vec<DatedKey<StaticSecret>>,
}

impl Identity {
    /// Generates a root key, a first signing key and a first encryption key.
    #[must_use]
    pub fn generate(did: Did, now: UnixSeconds, rng: &mut impl CryptoRng) -> Self {
        let kid = |of| Kid::new(of, 1);
        Self {
            did,
            root: new_signing_key(rng),
            signing: vec![DatedKey { kid: kid(KeyUse::Signing), created: now, key: new_signing_key(rng) }],
            encryption: vec![DatedKey { kid: kid(KeyUse::Encryption), created: now, key: new_secret(rng) }],
        }
    }

    /// The DID that the keys belong to.
    #[must_use]
    pub fn did(&self) -> &Did {
        &self.did
    }

    /// The root key. Whoever holds it can change the agent's DID documents.
    #[must_use]
    pub fn root(&self) -> &SigningKey {
        &self.root
    }

    /// The public half of the root key.
    #[must_use]
    pub fn root_public(&self) -> VerifyingKey {
        self.root.verifying_key()
    }

    /// The signing keys, newest last.
    #[must_use]
    pub fn signing(&self) -> &[DatedKey<SigningKey>] {
        &self.signing
    }

    /// The encryption keys, newest last.
    #[must_use]
    pub fn encryption(&self) -> &[DatedKey<StaticSecret>] {
        &self.encryption
    }

    /// The signing key that signs now: the newest.
    #[must_use]
    pub fn current_signing(&self) -> Option<&DatedKey<SigningKey>> {
        self.signing.last()
    }

    /// The secret of an encryption key. Older keys are kept for messages that were encrypted to
    /// them and may still arrive.
    #[must_use]
    pub fn encryption_secret(&self, kid: &Kid) -> Option<&StaticSecret> {
        self.encryption.iter().find(|k| &k.kid == kid).map(|k| &k.key)
    }

    /// Adds a new signing key and a new encryption key, and [prunes](Self::prune) the old ones.
    pub fn rotate(&mut self, now: UnixSeconds, rng: &mut impl CryptoRng) {
        let kid = next_kid(&self.signing, KeyUse::Signing);
        self.signing.push(DatedKey { kid, created: now, key: new_signing_key(rng) });
        let kid = next_kid(&self.encryption, KeyUse::Encryption);
        self.encryption.push(DatedKey { kid, created: now, key: new_secret(rng) });
        self.prune(now);
    }

    /// The time before which a rotation drops a key that messages in transit may need, because it
    /// would be one of more than [`KEYS_PER_USE_MAX`]. `None`: now is right.
    #[must_use]
    pub fn rotation_loses_messages_until(&self, now: UnixSeconds) -> Option<UnixSeconds> {
        oldest_needed_until(&self.signing, now).max(oldest_needed_until(&self.encryption, now))
    }

    /// Replaces the signing keys at once, because somebody else may have them. Receivers refuse
    /// messages in transit that an old one signed. Encryption keys are [rotated](Self::rotate), so
    /// that messages that were encrypted to an old one can still be read.
    pub fn rotate_compromised(&mut self, now: UnixSeconds, rng: &mut impl CryptoRng) {
        self.rotate(now, rng);
        let former = self.signing.len().saturating_sub(1);
        self.signing.drain(..former);
    }

    /// Drops the keys that no message in transit can need: those whose successor is older than the
    /// longest TTL of a message, and the oldest ones beyond [`KEYS_PER_USE_MAX`].
    pub fn prune(&mut self, now: UnixSeconds) {
        prune(&mut self.signing, now);
        prune(&mut self.encryption, now);
    }
}

fn new_signing_key(rng: &mut impl CryptoRng) -> SigningKey {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut());
    SigningKey::from_bytes(&seed)
}

fn new_secret(rng: &mut impl CryptoRng) -> StaticSecret {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut());
    StaticSecret::from(*seed)
}

fn next_kid<K>(keys: &[DatedKey<K>], of: KeyUse) -> Kid {
    Kid::new(of, keys.iter().map(|k| k.kid.number()).max().unwrap_or(0).saturating_add(1))
}

/// When a key is no longer needed whose successor was made then.
const fn retires(successor_made: UnixSeconds) -> UnixSeconds {
    successor_made.saturating_add(MAX_TTL_SECONDS).saturating_add(1)
}

/// Until when the oldest key is needed, if the keys that are needed leave no room for one more.
fn oldest_needed_until<K>(keys: &[DatedKey<K>], now: UnixSeconds) -> Option<UnixSeconds> {
    let replaced = keys.iter().skip(1).map(|successor| retires(successor.created));
    let needed: Vec<_> = replaced.filter(|until| *until > now).collect();
    // The key in use and the new one come on top.
    let is_full = needed.len() + 2 > KEYS_PER_USE_MAX;
    needed.first().copied().filter(|_| is_full)
}

fn prune<K>(keys: &mut Vec<DatedKey<K>>, now: UnixSeconds) {
    let successors: Vec<_> = keys.iter().skip(1).map(|k| k.created).collect();
    let mut index = 0;
    keys.retain(|_| {
        let retired = successors.get(index).is_some_and(|made| retires(*made) <= now);
        index += 1;
        !retired
    });
    let excess = keys.len().saturating_sub(KEYS_PER_USE_MAX);
    keys.drain(..excess);
}

/// The public half of an encryption secret.
#[must_use]
pub fn public_of(secret: &StaticSecret) -> PublicKey {
    PublicKey::from(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        let did = "did:wba:example.com:agent:acme:alice".parse().unwrap();
        Identity::generate(did, 1_000, &mut rand::rng())
    }

    #[test]
    fn rotation_keeps_the_old_encryption_key_until_its_messages_have_expired() {
        let mut it = identity();
        let first = it.encryption()[0].kid.clone();
        it.rotate(2_000, &mut rand::rng());
        it.prune(2_000 + MAX_TTL_SECONDS);
        assert!(it.encryption_secret(&first).is_some());
        it.prune(2_001 + MAX_TTL_SECONDS);
        assert!(it.encryption_secret(&first).is_none());
        assert_eq!(it.encryption().len(), 1);
        assert_eq!(it.current_signing().unwrap().kid.to_string(), "sig-2");
    }

    #[test]
    fn after_a_compromise_only_the_new_signing_key_is_left_and_old_messages_can_be_read() {
        let mut it = identity();
        let (root, first) = (it.root_public(), it.encryption()[0].kid.clone());
        it.rotate(1_500, &mut rand::rng());
        it.rotate_compromised(2_000, &mut rand::rng());
        let kids: Vec<_> = it.signing().iter().map(|key| key.kid.to_string()).collect();
        assert_eq!(kids, ["sig-3"]);
        assert_eq!(it.encryption().len(), 3);
        assert!(it.encryption_secret(&first).is_some());
        assert_eq!(it.root_public(), root);
    }

    #[test]
    fn an_eighth_rotation_within_the_longest_ttl_waits_for_the_messages_of_the_oldest_key() {
        let mut it = identity();
        for day in 1..KEYS_PER_USE_MAX as u64 {
            assert_eq!(it.rotation_loses_messages_until(2_000 + day), None);
            it.rotate(2_000 + day, &mut rand::rng());
        }
        let until = 2_001 + MAX_TTL_SECONDS + 1;
        assert_eq!(it.rotation_loses_messages_until(until - 1), Some(until));
        assert_eq!(it.rotation_loses_messages_until(until), None);
        let oldest = it.encryption()[0].kid.clone();
        it.rotate(until, &mut rand::rng());
        assert_eq!(it.encryption().len(), KEYS_PER_USE_MAX);
        assert!(it.encryption_secret(&oldest).is_none(), "nobody needs it any more");
    }

    #[test]
    fn a_hasty_rotator_never_holds_more_keys_than_the_limit() {
        let mut it = identity();
        for _ in 0..3 * KEYS_PER_USE_MAX {
            it.rotate(2_000, &mut rand::rng());
        }
        assert_eq!(it.signing().len(), KEYS_PER_USE_MAX);
        assert_eq!(it.encryption().len(), KEYS_PER_USE_MAX);
    }
}
