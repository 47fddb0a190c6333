//! Builds and verifies DID documents (W3C DID Core, did:wba).
//!
//! [`build`] makes the two documents of an identity, and [`verify`] checks one that another program
//! of this protocol made; [`ResolvedDocument`] reads those of everybody else. The agent's root key
//! signs each document with a Data Integrity proof `eddsa-jcs-2022`. A document that [`verify`]
//! accepts has exactly the form that this module writes, so that two programs cannot read it
//! differently.
//!
//! ```
//! use msg2agent_protocol::{Identity, document};
//!
//! let did = "did:wba:example.com:agent:acme:alice".parse()?;
//! let alice = Identity::generate(did, 1_790_000_000, &mut rand::rng());
//! let (named, alias) = document::build(&alice, Some("wss://example.com/ws"), 1_790_000_000);
//!
//! let keys = document::verify(&named, alice.did().as_str())?;
//! assert_eq!(keys.root, alice.root_public());
//! assert_eq!(keys.created, 1_790_000_000);
//! assert_eq!(named.also_known_as, [alias.id]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use x25519_dalek::PublicKey;

use crate::identity::{Identity, Kid, public_of};
use crate::multikey::{self, MultikeyError};
use crate::{UnixSeconds, base64url};

mod build;
mod resolved;
mod timestamp;
mod verify;

pub use build::{ServiceUrls, build, build_for_domain, build_with_services};
pub use resolved::{Assurance, ResolvedDocument, ResolvedDocumentError};
pub use verify::{DocumentError, PublicKeys, verify, verify_domain};

/// The JSON-LD contexts of every document, in this order.
pub const CONTEXTS: [&str; 3] = [
    "https://www.w3.org/ns/did/v1",
    "https://w3id.org/security/data-integrity/v2",
    "https://w3id.org/security/multikey/v1",
];

/// A DID document. Its key ids are the DID, `#`, and `root`, `sig-<n>` or `enc-<n>`.
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

/// A public key of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VerificationMethod {
    pub id: String,
    /// Always `Multikey`.
    pub r#type: String,
    pub controller: String,
    pub public_key_multibase: String,
}

/// An address of the agent: its relay, its MCP endpoint, where it answers over A2A, or its direct
/// listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Service {
    pub id: String,
    /// `Msg2AgentRelay`, `McpEndpoint`, `A2AAgent` or `Msg2AgentDirect`.
    pub r#type: String,
    pub service_endpoint: String,
}

/// A Data Integrity proof (W3C VC Data Integrity 1.0) with the suite of VC-DI-EdDSA section 3.3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DataIntegrityProof {
    #[serde(rename = "@context")]
    pub context: Vec<String>,
    pub r#type: String,
    pub cryptosuite: String,
    /// RFC 3339 in UTC with whole seconds, such as `2026-09-21T14:13:20Z`, from 1970 to 9999.
    pub created: String,
    pub verification_method: String,
    pub proof_purpose: String,
    /// `z` and the base58btc text of the Ed25519 signature.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proof_value: String,
}

/// The RFC 7638 thumbprint of an Ed25519 key (RFC 8037 section 2) as base64url.
#[must_use]
pub fn thumbprint(root: &VerifyingKey) -> String {
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url::encode(root.as_bytes()));
    base64url::encode(&Sha256::digest(jwk))
}

/// The bytes that an `eddsa-jcs-2022` proof signs: the hash of the proof's options, then the hash
/// of the document without its proof.
fn proof_input(document: &DidDocument, proof: &DataIntegrityProof) -> Result<Vec<u8>, serde_json::Error> {
    let options = DataIntegrityProof { proof_value: String::new(), ..proof.clone() };
    let bare = DidDocument { proof: None, ..document.clone() };
    let mut input = Sha256::digest(serde_json_canonicalizer::to_vec(&options)?).to_vec();
    input.extend_from_slice(&Sha256::digest(serde_json_canonicalizer::to_vec(&bare)?));
    Ok(input)
}
