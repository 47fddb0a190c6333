//! Writes and attests a proof file.

use super::*;
use crate::identity::Identity;
use crate::limits::PROOF_MESSAGES_MAX;
use crate::signature::{Context, sign};

/// Why a proof was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("a proof holds 1 to {PROOF_MESSAGES_MAX} messages")]
    Count,
    #[error("the identity holds no signing key")]
    NoSigningKey,
    #[error("the proof cannot be written as canonical JSON")]
    Canonical(#[source] serde_json::Error),
}

/// Writes the bytes of a proof file. `documents` must hold the verified document of every sender,
/// of every recipient and of the writer `by`; duplicates are removed.
///
/// # Errors
/// There are no messages or too many, or `by` holds no signing key.
pub fn write(
    messages: Vec<ProvenMessage>,
    mut documents: Vec<DidDocument>,
    by: &Identity,
    now: UnixSeconds,
) -> Result<Vec<u8>, WriteError> {
    if messages.is_empty() || messages.len() > PROOF_MESSAGES_MAX {
        return Err(WriteError::Count);
    }
    let key = by.current_signing().ok_or(WriteError::NoSigningKey)?;
    documents.sort_by(|a, b| a.id.cmp(&b.id));
    documents.dedup_by(|a, b| a.id == b.id);
    let attestation =
        Attestation { by: by.did().clone(), kid: key.kid.clone(), time: now, signature: String::new() };
    let mut proof = Proof { version: VERSION, messages, documents, attestation };
    let input = attested_bytes(&proof).map_err(WriteError::Canonical)?;
    proof.attestation.signature = base64url::encode(&sign(&key.key, Context::Proof, &[&input]));
    serde_json_canonicalizer::to_vec(&proof).map_err(WriteError::Canonical)
}
