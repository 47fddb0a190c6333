//! Registration: the relay's nonce, signed together with the relay's domain and the record's hash.

use ed25519_dalek::{SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::did::Domain;
use crate::signature::{self, BadSignature, Context};

/// A relay's nonce for one registration.
pub type Nonce = [u8; 32];

/// The agent's answer: valid at this relay, for this nonce and this record only.
#[must_use]
pub fn sign(key: &SigningKey, domain: &Domain, nonce: &Nonce, record: &[u8]) -> [u8; 64] {
    let hash = Sha256::digest(record);
    signature::sign(key, Context::Register, &[domain.as_str().as_bytes(), &[0], nonce, &hash])
}

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
