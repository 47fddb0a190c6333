//! Verifies a proof file.
//!
//! Every part is checked separately first, so that the error names the part that was changed.

use std::collections::BTreeMap;

use super::*;
use crate::document::{self, DocumentError, PublicKeys};
use crate::envelope::suite1::MessagePrk;
use crate::envelope::{Content, Header, OpenError, open};
use crate::limits::PROOF_MESSAGES_MAX;
use crate::multikey;
use crate::signature::{BadSignature, Context};
use crate::strict_json;

/// A message that the file proves.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub header: Header,
    pub content: Content,
    /// The sender's signing key as a Multikey.
    pub signing_key: String,
    /// The root key that signed the sender's document, as a Multikey.
    pub root_key: String,
    /// When the sender's document was signed.
    pub document_created: UnixSeconds,
}

/// Why a proof was refused. `part` is the path of the part in the file.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    #[error("the file is not a proof: it is not JSON of the right shape")]
    Shape(#[source] serde_json::Error),
    #[error("the file has proof version {0}; this program reads version {VERSION}")]
    Version(u32),
    #[error("the file holds no message, or more than {PROOF_MESSAGES_MAX}")]
    Count,
    #[error("{part} is not valid")]
    Document { part: String, source: DocumentError },
    #[error("{part} refers to `{did}`, but the file holds no document of it")]
    MissingDocument { part: String, did: Did },
    #[error("{part} is not what its sender signed, or its key does not open it")]
    Message { part: String, source: OpenError },
    #[error("documents are not one for each DID in the file, in order of the DID")]
    Documents,
    #[error("attestation is not by a signing key of its agent")]
    AttestationKey,
    #[error("attestation does not cover this file")]
    Attestation(#[source] BadSignature),
    #[error("the file is not canonical JSON: byte {0} differs from the canonical form")]
    NotCanonical(usize),
}

/// Verifies a whole proof file. It needs neither the network nor a clock.
///
/// # Errors
/// The first part that fails its check.
pub fn verify(bytes: &[u8]) -> Result<Vec<Statement>, ProofError> {
    let proof: Proof = strict_json::from_slice(bytes).map_err(ProofError::Shape)?;
    if proof.version != VERSION {
        return Err(ProofError::Version(proof.version));
    }
    if proof.messages.is_empty() || proof.messages.len() > PROOF_MESSAGES_MAX {
        return Err(ProofError::Count);
    }
    let keys = verify_documents(&proof)?;
    let statements: Result<Vec<_>, _> =
        proof.messages.iter().enumerate().map(|(index, message)| read(index, message, &keys)).collect();
    let statements = statements?;
    check_attestation(&proof, &keys)?;
    check_canonical(&proof, bytes)?;
    Ok(statements)
}

type Keys = BTreeMap<String, PublicKeys>;

fn verify_documents(proof: &Proof) -> Result<Keys, ProofError> {
    let mut keys = Keys::new();
    for (index, document) in proof.documents.iter().enumerate() {
        let part = format!("documents[{index}] ({})", document.id);
        let verified = document::verify(document, &document.id)
            .map_err(|source| ProofError::Document { part, source })?;
        let in_order = keys.last_key_value().is_none_or(|(last, _)| last < &document.id);
        if !in_order {
            return Err(ProofError::Documents);
        }
        keys.insert(document.id.clone(), verified);
    }
    let named = |id: &str| {
        proof.attestation.by.as_str() == id
            || proof.messages.iter().any(|m| m.envelope.from.as_str() == id || m.envelope.to.as_str() == id)
    };
    if keys.keys().all(|id| named(id)) { Ok(keys) } else { Err(ProofError::Documents) }
}

fn read(index: usize, message: &ProvenMessage, keys: &Keys) -> Result<Statement, ProofError> {
    let part = || format!("messages[{index}]");
    let envelope = &message.envelope;
    let keys_of = |did: &Did| {
        let missing = || ProofError::MissingDocument { part: part(), did: did.clone() };
        keys.get(did.as_str()).ok_or_else(missing)
    };
    let sender = keys_of(&envelope.from)?;
    keys_of(&envelope.to)?;
    let failed = |source| ProofError::Message { part: part(), source };
    let header = open::authenticate(envelope, sender).map_err(failed)?;
    let prk = MessagePrk::from_bytes(message.prk);
    let content = open::decrypt(envelope, &header, &prk).map_err(failed)?;
    let signing_key = sender.signing.get(&header.skid).map(multikey::encode_ed25519).unwrap_or_default();
    Ok(Statement {
        header,
        content,
        signing_key,
        root_key: multikey::encode_ed25519(&sender.root),
        document_created: sender.created,
    })
}

fn check_attestation(proof: &Proof, keys: &Keys) -> Result<(), ProofError> {
    let Attestation { by, kid, signature, .. } = &proof.attestation;
    let key =
        keys.get(by.as_str()).and_then(|keys| keys.signing.get(kid)).ok_or(ProofError::AttestationKey)?;
    let signature = base64url::decode_array(signature).map_err(|_| ProofError::Attestation(BadSignature))?;
    let input = attested_bytes(proof).map_err(ProofError::Shape)?;
    crate::signature::verify(key, Context::Proof, &[&input], &signature).map_err(ProofError::Attestation)
}

fn check_canonical(proof: &Proof, bytes: &[u8]) -> Result<(), ProofError> {
    let canonical = serde_json_canonicalizer::to_vec(proof).map_err(ProofError::Shape)?;
    if canonical == bytes {
        return Ok(());
    }
    let first = canonical.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    Err(ProofError::NotCanonical(first))
}
