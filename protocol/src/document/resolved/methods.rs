//! The Ed25519 keys of a document, and what each may be used for.

use super::*;
use crate::multikey;

/// The Ed25519 keys of a document by their full DID URL, and the ids of its relationships.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Methods {
    pub(super) keys: BTreeMap<String, VerifyingKey>,
    pub(super) authentication: BTreeSet<String>,
    pub(super) assertion: BTreeSet<String>,
}

impl Methods {
    /// Keys of other kinds are left out. An id that stands for two methods is refused, because two
    /// readers would take different keys.
    pub(super) fn read(document: &Map<String, Value>, did: &WbaDid) -> Result<Self, ResolvedDocumentError> {
        let mut methods =
            Self { keys: BTreeMap::new(), authentication: BTreeSet::new(), assertion: BTreeSet::new() };
        let mut ids = BTreeSet::new();
        for method in list(document, "verificationMethod")? {
            methods.add(method, did, "verificationMethod", &mut ids)?;
        }
        methods.authentication = methods.relationship(document, did, "authentication", &mut ids)?;
        methods.assertion = methods.relationship(document, did, "assertionMethod", &mut ids)?;
        Ok(methods)
    }

    /// A relationship refers to methods, or holds its own.
    fn relationship(
        &mut self,
        document: &Map<String, Value>,
        did: &WbaDid,
        name: &'static str,
        ids: &mut BTreeSet<String>,
    ) -> Result<BTreeSet<String>, ResolvedDocumentError> {
        let mut found = BTreeSet::new();
        for entry in list(document, name)? {
            let id = match entry {
                Value::String(reference) => absolute(reference, did),
                method => self.add(method, did, name, ids)?,
            };
            found.insert(id);
        }
        Ok(found)
    }

    /// Adds a method if it is an Ed25519 key that this DID controls, and returns its id.
    fn add(
        &mut self,
        method: &Value,
        did: &WbaDid,
        member: &'static str,
        ids: &mut BTreeSet<String>,
    ) -> Result<String, ResolvedDocumentError> {
        let unfit = ResolvedDocumentError::Form(member);
        let Some(method) = method.as_object() else { return Err(unfit) };
        let text = |name: &str| method.get(name).and_then(Value::as_str);
        let (Some(id), Some(kind)) = (text("id"), text("type")) else { return Err(unfit) };
        let id = absolute(id, did);
        if !ids.insert(id.clone()) {
            return Err(ResolvedDocumentError::Form("verificationMethod (one id twice)"));
        }
        let own = id.strip_prefix(did.as_str()).is_some_and(|rest| rest.starts_with('#'));
        if !own || text("controller") != Some(did.as_str()) {
            return Ok(id);
        }
        let key = match kind {
            "Multikey" | "Ed25519VerificationKey2020" => multibase(text("publicKeyMultibase")),
            "JsonWebKey" | "JsonWebKey2020" => jwk(method.get("publicKeyJwk")),
            _ => Ok(None),
        };
        match key {
            Ok(Some(key)) => drop(self.keys.insert(id.clone(), key)),
            Ok(None) => {}
            Err(source) => return Err(ResolvedDocumentError::Key { id, source }),
        }
        Ok(id)
    }
}

/// A reference inside a document may leave the DID out (ANP-03 section 2.4).
pub(super) fn absolute(reference: &str, did: &WbaDid) -> String {
    if reference.starts_with('#') { format!("{did}{reference}") } else { reference.to_owned() }
}

/// A key of another kind is none; a broken or weak one is an error.
fn multibase(text: Option<&str>) -> Result<Option<VerifyingKey>, MultikeyError> {
    match multikey::decode_ed25519(text.unwrap_or_default()) {
        Err(MultikeyError::Kind) => Ok(None),
        // Keys of other kinds also have other lengths.
        Err(MultikeyError::Encoding) if text.is_some_and(|text| !text.starts_with("z6Mk")) => Ok(None),
        key => key.map(Some),
    }
}

fn jwk(key: Option<&Value>) -> Result<Option<VerifyingKey>, MultikeyError> {
    let text = |name: &str| key.and_then(|key| key.get(name)).and_then(Value::as_str);
    if (text("kty"), text("crv")) != (Some("OKP"), Some("Ed25519")) {
        return Ok(None);
    }
    let bytes: [u8; 32] =
        base64url::decode_array(text("x").unwrap_or_default()).map_err(|_| MultikeyError::Encoding)?;
    multikey::decode_ed25519(&multikey::encode_ed25519_bytes(&bytes)).map(Some)
}
