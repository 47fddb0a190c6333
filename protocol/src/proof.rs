//! Proof files: who said what to whom, signed by which key under which DID document, verifiable by anybody offline.
//!
//! A file holds envelopes as they travelled, the message key of each (so that this one message can be read, and no
//! other), and the DID documents of everybody named. The agent that writes it attests the whole. Only canonical JSON
//! (RFC 8785) is a proof, so that every byte of the file is covered by one of the checks.

use serde::{Deserialize, Serialize};

use crate::document::DidDocument;
use crate::identity::Kid;
use crate::{Did, Envelope, UnixSeconds, base64url};

mod verify;
mod write;

pub use verify::{ProofError, Statement, verify};
pub use write::{WriteError, write};

const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    pub version: u32,
    pub messages: Vec<ProvenMessage>,
    /// One for each DID in the messages, in order of DID.
    pub documents: Vec<DidDocument>,
    pub attestation: Attestation,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenMessage {
    pub envelope: Envelope,
    /// The disclosed pseudo-random key of this one message.
    #[serde(with = "base64url::array")]
    pub prk: [u8; 32],
}

/// Who wrote the file and when; the signature covers everything else in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    pub by: Did,
    pub kid: Kid,
    pub time: UnixSeconds,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
}

/// The bytes the attestation signs.
fn attested_bytes(proof: &Proof) -> serde_json::Result<Vec<u8>> {
    let mut unsigned = proof.clone();
    unsigned.attestation.signature.clear();
    serde_json_canonicalizer::to_vec(&unsigned)
}
