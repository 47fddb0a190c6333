//! Verifies a proof file.
//!
//! Every part is checked separately first, so that the error names the part that was changed.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::VerifyingKey;

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
    #[error("{part} is signed with another root key than the one that is known")]
    RootKey { part: String },
    #[error("nothing but the file vouches for the root key of `{0}`")]
    NotAnchored(Did),
}

/// The root key of an agent, if the reader of a proof knows it from elsewhere: from the agent's
/// owner, from earlier contact, or from the DID document over HTTPS.
pub type RootKeyOf<'a> = dyn Fn(&Did) -> Option<VerifyingKey> + 'a;

/// A file whose parts fit together. Without anchors that says nothing about its agents: anybody can
/// make such a file with root keys of his own.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsistentProof {
    pub statements: Vec<Statement>,
    /// The agent that wrote the file.
    pub by: Did,
    /// Who sent a message of the file or wrote it, and whose root key is not known from elsewhere.
    pub unanchored: Vec<Did>,
}

/// Verifies a whole proof file against known root keys. It needs neither the network nor a clock.
///
/// # Errors
/// The first part that fails its check, or the first sender or writer whose root key is not known.
pub fn verify(bytes: &[u8], root_key_of: &RootKeyOf<'_>) -> Result<Vec<Statement>, ProofError> {
    let proof = check_consistency(bytes, root_key_of)?;
    match proof.unanchored.into_iter().next() {
        Some(did) => Err(ProofError::NotAnchored(did)),
        None => Ok(proof.statements),
    }
}

/// Checks whether the parts of a proof file fit together and to the root keys that are known. Use
/// [`verify`] unless you show which root keys are not anchored.
///
/// # Errors
/// The first part that fails its check.
pub fn check_consistency(bytes: &[u8], root_key_of: &RootKeyOf<'_>) -> Result<ConsistentProof, ProofError> {
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
    check_roots(&proof, &keys, root_key_of)?;
    let by = proof.attestation.by;
    let senders = proof.messages.into_iter().map(|message| message.envelope.from);
    let vouching: BTreeSet<_> = senders.chain([by.clone()]).collect();
    let unanchored = vouching.into_iter().filter(|did| root_key_of(did).is_none()).collect();
    Ok(ConsistentProof { statements, by, unanchored })
}

/// A recipient that is not known does no harm: the sender signed its name. One that is known must
/// have its own key.
fn check_roots(proof: &Proof, keys: &Keys, root_key_of: &RootKeyOf<'_>) -> Result<(), ProofError> {
    for (index, document) in proof.documents.iter().enumerate() {
        let known = document.id.parse().ok().and_then(|did| root_key_of(&did));
        let found = keys.get(&document.id).map(|keys| keys.root);
        if known.is_some() && known != found {
            return Err(ProofError::RootKey { part: format!("documents[{index}] ({})", document.id) });
        }
    }
    Ok(())
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
