//! Ed25519 signatures with a context label each, so that a signature made for one purpose is never valid for another.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

/// What a signature is for. The label is signed in front of the input, ended by a zero byte that no label holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    Envelope,
    Register,
    Proof,
}

impl Context {
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Envelope => "msg2agent/v1/envelope",
            Self::Register => "msg2agent/v1/register",
            Self::Proof => "msg2agent/v1/proof",
        }
    }
}

/// The signature does not belong to the key, the context and the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

#[must_use]
pub fn sign(key: &SigningKey, context: Context, parts: &[&[u8]]) -> [u8; 64] {
    key.sign(&input(context, parts)).to_bytes()
}

/// Strict verification (RFC 8032 section 5.1.7 with small-order keys refused).
///
/// # Errors
/// [`BadSignature`], whatever the reason: a verifier learns nothing from which check failed.
pub fn verify(
    key: &VerifyingKey,
    context: Context,
    parts: &[&[u8]],
    signature: &[u8; 64],
) -> Result<(), BadSignature> {
    key.verify_strict(&input(context, parts), &Signature::from_bytes(signature)).map_err(|_| BadSignature)
}

fn input(context: Context, parts: &[&[u8]]) -> Vec<u8> {
    let label = context.label().as_bytes();
    let length = label.len() + 1 + parts.iter().map(|p| p.len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(label);
    bytes.push(0);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_good_for_its_own_context_only() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let signature = sign(&key, Context::Envelope, &[b"input"]);
        assert_eq!(verify(&key.verifying_key(), Context::Envelope, &[b"in", b"put"], &signature), Ok(()));
        for other in [Context::Register, Context::Proof] {
            assert_eq!(verify(&key.verifying_key(), other, &[b"input"], &signature), Err(BadSignature));
        }
    }
}
