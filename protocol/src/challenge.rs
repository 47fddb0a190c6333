//! Signs and verifies the challenge of a registration.
//!
//! The signature covers the relay's domain, the relay's nonce and the hash of the record. An
//! intercepted signature is therefore useless at another relay, for another nonce and for another
//! record.
//!
//! ```
//! use msg2agent_protocol::{Identity, challenge};
//!
//! let did = "did:wba:example.com:agent:acme:alice".parse()?;
//! let alice = Identity::generate(did, 1_790_000_000, &mut rand::rng());
//! let key = &alice.current_signing().ok_or("no signing key")?.key;
//! let (domain, nonce, record) = ("example.com".parse()?, [5; 32], b"the record's bytes");
//!
//! let signature = challenge::sign(key, &domain, &nonce, record);
//! challenge::verify(&key.verifying_key(), &domain, &nonce, record, &signature)?;
//! let (public, other_nonce) = (key.verifying_key(), [6; 32]);
//! let replayed = challenge::verify(&public, &domain, &other_nonce, record, &signature);
//! assert!(replayed.is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use ed25519_dalek::{SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::did::Domain;
use crate::signature::{self, BadSignature, Context};

/// The random bytes that a relay sends for one registration.
pub type Nonce = [u8; 32];

/// Signs a challenge as the agent that registers `record`, which is given as its exact bytes.
#[must_use]
pub fn sign(key: &SigningKey, domain: &Domain, nonce: &Nonce, record: &[u8]) -> [u8; 64] {
    let hash = Sha256::digest(record);
    signature::sign(key, Context::Register, &[domain.as_str().as_bytes(), &[0], nonce, &hash])
}

/// Verifies a signed challenge with a signing key of the record.
///
/// # Errors
/// [`BadSignature`] for another key, relay, nonce or record.
pub fn verify(
    key: &VerifyingKey,
    domain: &Domain,
    nonce: &Nonce,
    record: &[u8],
    signature: &[u8; 64],
) -> Result<(), BadSignature> {
    let hash = Sha256::digest(record);
    signature::verify(key, Context::Register, &[domain.as_str().as_bytes(), &[0], nonce, &hash], signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_good_for_its_relay_nonce_and_record_only() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let (here, there): (Domain, Domain) = ("a.example".parse().unwrap(), "b.example".parse().unwrap());
        let signature = sign(&key, &here, &[5; 32], b"record");
        let public = key.verifying_key();
        assert_eq!(verify(&public, &here, &[5; 32], b"record", &signature), Ok(()));
        assert_eq!(verify(&public, &there, &[5; 32], b"record", &signature), Err(BadSignature));
        assert_eq!(verify(&public, &here, &[6; 32], b"record", &signature), Err(BadSignature));
        assert_eq!(verify(&public, &here, &[5; 32], b"other", &signature), Err(BadSignature));
    }
}
