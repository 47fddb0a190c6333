//! DID documents (W3C DID Core, did:wba) with a Data Integrity proof `eddsa-jcs-2022` by the agent's root key.
//!
//! [`build`] makes the two documents of an identity, [`verify`] reads one that somebody else made. A document that
//! verifies has exactly the shape this module writes: there is no second way to say the same thing.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use x25519_dalek::PublicKey;

use crate::identity::{Identity, Kid, public_of};
use crate::multikey::{self, MultikeyError};
use crate::{UnixSeconds, base64url};

mod build;
mod timestamp;
mod verify;

pub use build::{build, build_for_domain};
pub use verify::{DocumentError, PublicKeys, verify, verify_domain};

/// The contexts of every document, in this order.
pub const CONTEXTS: [&str; 3] = [
    "https://www.w3.org/ns/did/v1",
    "https://w3id.org/security/data-integrity/v2",
    "https://w3id.org/security/multikey/v1",
];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DidDocument {
    #[serde(rename = "@context")]
    pub context: Vec<String>,
    pub id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_known_as: Vec<String>,
    pub verification_method: Vec<VerificationMethod>,
    pub authentication: Vec<String>,
    pub assertion_method: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_agreement: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service: Vec<Service>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<DataIntegrityProof>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VerificationMethod {
    pub id: String,
    /// Always `Multikey`.
    pub r#type: String,
    pub controller: String,
    pub public_key_multibase: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Service {
    pub id: String,
    /// `Msg2AgentRelay`, `McpEndpoint`.
    pub r#type: String,
    pub service_endpoint: String,
}

/// A Data Integrity proof (W3C VC Data Integrity 1.0; suite of VC-DI-EdDSA section 3.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DataIntegrityProof {
    #[serde(rename = "@context")]
    pub context: Vec<String>,
    pub r#type: String,
    pub cryptosuite: String,
    /// RFC 3339, whole seconds, `Z`.
    pub created: String,
    pub verification_method: String,
    pub proof_purpose: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proof_value: String,
}

/// The RFC 7638 thumbprint of an Ed25519 key (RFC 8037 section 2), base64url.
#[must_use]
pub fn thumbprint(root: &VerifyingKey) -> String {
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url::encode(root.as_bytes()));
    base64url::encode(&Sha256::digest(jwk))
}

/// The bytes an `eddsa-jcs-2022` proof signs: hash of the proof options, then hash of the document without proof.
fn proof_input(document: &DidDocument, proof: &DataIntegrityProof) -> Result<Vec<u8>, serde_json::Error> {
    let options = DataIntegrityProof { proof_value: String::new(), ..proof.clone() };
    let bare = DidDocument { proof: None, ..document.clone() };
    let mut input = Sha256::digest(serde_json_canonicalizer::to_vec(&options)?).to_vec();
    input.extend_from_slice(&Sha256::digest(serde_json_canonicalizer::to_vec(&bare)?));
    Ok(input)
}
