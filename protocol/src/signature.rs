//! Signs and verifies with Ed25519 (RFC 8032) and a context label.
//!
//! The label keeps a signature that was made for one purpose from being valid for another.
//!
//! ```
//! use ed25519_dalek::SigningKey;
//! use msg2agent_protocol::signature::{Context, sign, verify};
//!
//! let key = SigningKey::from_bytes(&[7; 32]);
//! let signature = sign(&key, Context::Envelope, &[b"input"]);
//! assert!(verify(&key.verifying_key(), Context::Envelope, &[b"input"], &signature).is_ok());
//! assert!(verify(&key.verifying_key(), Context::Proof, &[b"input"], &signature).is_err());
//! ```

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

/// What a signature is for. Its label is signed before the input, with a zero byte between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// A message, see [`crate::envelope`].
    Envelope,
    /// A registration, see [`crate::challenge`].
    Register,
    /// The attestation of a proof file, see [`crate::proof`].
    Proof,
}

impl Context {
    /// The label as it is signed; no label holds a zero byte.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Envelope => "msg2agent/v1/envelope",
            Self::Register => "msg2agent/v1/register",
            Self::Proof => "msg2agent/v1/proof",
        }
    }
}

/// The signature is not one of this input with this key and context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// Signs the parts as one input, with nothing between them.
#[must_use]
pub fn sign(key: &SigningKey, context: Context, parts: &[&[u8]]) -> [u8; 64] {
    key.sign(&input(context, parts)).to_bytes()
}

/// Verifies strictly: as RFC 8032 section 5.1.7, and with keys of small order refused.
///
/// # Errors
/// [`BadSignature`] for every reason, so that the answer does not tell which check failed.
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
