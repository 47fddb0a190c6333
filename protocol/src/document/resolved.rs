//! Reads and verifies the DID document of anybody, as it was fetched from its domain.
//!
//! [`verify`](super::verify) is for documents that this protocol writes and accepts no other form.
//! Documents of other programs have members, key types and contexts of their own, so this reader
//! takes from a document what it understands, refuses what contradicts itself, and says what
//! vouches for it: the DID itself, or the domain alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::*;
use crate::did::WbaDid;
use crate::limits::RECORD_BYTES_MAX;
use crate::strict_json;

mod methods;
mod proof;

use methods::Methods;

/// Verification methods, references, services or aliases of one document. Wallets list a dozen.
const ENTRIES_MAX: usize = 64;
/// Bytes of a document that somebody else wrote: as many as of a record.
const DOCUMENT_BYTES_MAX: usize = RECORD_BYTES_MAX;

/// What vouches for the keys of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// The DID ends with the thumbprint of the key that signed the document. Whoever controls the
    /// domain cannot exchange it.
    SelfCertified,
    /// The DID does not name its key. Whoever controls the domain decides.
    Domain,
}

/// A document that belongs to a DID and does not contradict itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedDocument {
    pub did: WbaDid,
    pub assurance: Assurance,
    pub also_known_as: Vec<String>,
    /// Services with one URL.
    pub services: Vec<Service>,
    /// The key of the proof, if there is a proof of a suite that is verified here.
    pub proof_key: Option<VerifyingKey>,
    methods: Methods,
}

/// Why a document of somebody else was refused.
#[derive(Debug, thiserror::Error)]
pub enum ResolvedDocumentError {
    #[error("a DID document has at most {DOCUMENT_BYTES_MAX} bytes")]
    TooLong,
    #[error("the DID document is not one JSON object without duplicate members")]
    Json(#[source] serde_json::Error),
    #[error("the document is for `{found}`, not for `{wanted}`")]
    Subject { wanted: WbaDid, found: String },
    #[error("the document's {0} has no form that DID Core or did:wba allows")]
    Form(&'static str),
    #[error("the document has more than {ENTRIES_MAX} {0}")]
    Entries(&'static str),
    #[error("the document's key `{id}` cannot be used")]
    Key { id: String, source: MultikeyError },
    #[error("the document has no proof, which a self-certifying DID requires")]
    ProofMissing,
    #[error("the document's proof does not verify under the key that it names")]
    Proof,
    #[error("the document's proof has expired")]
    ProofExpired,
    #[error("the key of the document's proof is not the one whose thumbprint ends the DID")]
    Thumbprint,
}

impl ResolvedDocument {
    /// Reads the bytes of a document of `did` and verifies its proof. A self-certifying DID
    /// requires one, by its binding key; elsewhere a proof of another suite is not looked at.
    /// `now` decides whether the proof has expired.
    ///
    /// # Errors
    /// The first check that fails, with the member or key that it is about.
    pub fn parse(bytes: &[u8], did: &WbaDid, now: UnixSeconds) -> Result<Self, ResolvedDocumentError> {
        if bytes.len() > DOCUMENT_BYTES_MAX {
            return Err(ResolvedDocumentError::TooLong);
        }
        let Members(document) = strict_json::from_slice(bytes).map_err(ResolvedDocumentError::Json)?;
        let subject = document.get("id").and_then(Value::as_str).unwrap_or_default();
        if subject != did.as_str() {
            return Err(ResolvedDocumentError::Subject { wanted: did.clone(), found: subject.to_owned() });
        }
        check_context(&document, did)?;
        let (also_known_as, services) = (texts(&document, "alsoKnownAs")?, services(&document)?);
        let methods = Methods::read(&document, did)?;
        let proof_key = proof::verify(&document, did, &methods, now)?;
        let assurance = assurance(did, proof_key.as_ref(), &methods)?;
        Ok(Self { did: did.clone(), assurance, also_known_as, services, proof_key, methods })
    }

    /// The key with this id (a full DID URL), if the document lists it for authentication.
    #[must_use]
    pub fn authentication_key(&self, id: &str) -> Option<&VerifyingKey> {
        self.methods.authentication.contains(id).then(|| self.methods.keys.get(id))?
    }

    /// The ids of the Ed25519 keys that authenticate.
    pub fn authentication_keys(&self) -> impl Iterator<Item = (&str, &VerifyingKey)> {
        let ids = self.methods.authentication.iter();
        ids.filter_map(|id| Some((id.as_str(), self.methods.keys.get(id)?)))
    }

    /// The key whose thumbprint ends the DID. `None` where the domain alone vouches: such a
    /// document never satisfies a check that requires a self-certifying DID.
    #[must_use]
    pub fn binding_key(&self) -> Option<&VerifyingKey> {
        let certified = self.assurance == Assurance::SelfCertified;
        self.proof_key.as_ref().filter(|_| certified)
    }

    /// Whether this document of a name and the document of a self-certifying DID belong to one
    /// identity: each names the other, and one key signed both.
    #[must_use]
    pub fn is_linked_with(&self, certified: &Self) -> bool {
        let names = |a: &Self, b: &Self| a.also_known_as.iter().any(|name| *name == b.did.as_str());
        let one_key = certified.binding_key().is_some() && certified.binding_key() == self.proof_key.as_ref();
        one_key && names(self, certified) && names(certified, self)
    }
}

/// The members of the document, none of them twice at any depth.
#[derive(Deserialize)]
#[serde(transparent)]
struct Members(#[serde(deserialize_with = "members")] Map<String, Value>);

fn members<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Map<String, Value>, D::Error> {
    match strict_json::value(from)? {
        Value::Object(members) => Ok(members),
        _ => Err(serde::de::Error::custom("not an object")),
    }
}

/// DID Core allows a document without context; did:wba requires one of self-certifying DIDs.
fn check_context(document: &Map<String, Value>, did: &WbaDid) -> Result<(), ResolvedDocumentError> {
    let has = |name: &str| name == CONTEXTS[0];
    let fits = match document.get("@context") {
        None => did.thumbprint().is_none(),
        Some(Value::String(one)) => has(one),
        Some(Value::Array(many)) => many.first().and_then(Value::as_str).is_some_and(has),
        Some(_) => false,
    };
    if fits { Ok(()) } else { Err(ResolvedDocumentError::Form("@context")) }
}

fn assurance(
    did: &WbaDid,
    proof_key: Option<&VerifyingKey>,
    methods: &Methods,
) -> Result<Assurance, ResolvedDocumentError> {
    let Some(wanted) = did.thumbprint() else { return Ok(Assurance::Domain) };
    let key = proof_key.ok_or(ResolvedDocumentError::ProofMissing)?;
    if thumbprint(key) != wanted {
        return Err(ResolvedDocumentError::Thumbprint);
    }
    let authenticates =
        methods.keys.iter().any(|(id, found)| found == key && methods.authentication.contains(id));
    if !authenticates {
        return Err(ResolvedDocumentError::Form("authentication (without the binding key)"));
    }
    Ok(Assurance::SelfCertified)
}

/// A list of a document, which may be absent.
fn list<'a>(
    document: &'a Map<String, Value>,
    name: &'static str,
) -> Result<&'a [Value], ResolvedDocumentError> {
    match document.get(name) {
        None => Ok(&[]),
        Some(Value::Array(entries)) if entries.len() > ENTRIES_MAX => {
            Err(ResolvedDocumentError::Entries(name))
        }
        Some(Value::Array(entries)) => Ok(entries),
        Some(_) => Err(ResolvedDocumentError::Form(name)),
    }
}

fn texts(document: &Map<String, Value>, name: &'static str) -> Result<Vec<String>, ResolvedDocumentError> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(ResolvedDocumentError::Form(name));
    list(document, name)?.iter().map(text).collect()
}

/// A service may have several types or addresses; only those with one of each are of use here.
fn services(document: &Map<String, Value>) -> Result<Vec<Service>, ResolvedDocumentError> {
    let mut found = Vec::new();
    for entry in list(document, "service")? {
        let entry = entry.as_object().ok_or(ResolvedDocumentError::Form("service"))?;
        let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
        if let (Some(id), Some(r#type), Some(service_endpoint)) =
            (text("id"), text("type"), text("serviceEndpoint"))
        {
            found.push(Service { id, r#type, service_endpoint });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
