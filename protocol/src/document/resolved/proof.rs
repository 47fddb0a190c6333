//! Verifies the Data Integrity proof `eddsa-jcs-2022` of a document that somebody else wrote.
//!
//! The W3C form has the signature as multibase (`z…`) over options that include the document's
//! `@context` (VC-DI-EdDSA section 3.3). The generator of `anp` writes it as base64url over options
//! without a context. Both are read, each in its own way only.

use super::methods::absolute;
use super::*;

/// Bytes of the text of a signature, which has 64 bytes.
const PROOF_VALUE_BYTES_MAX: usize = 96;

/// Returns the key that signed. A document without a proof of this suite has none.
pub(super) fn verify(
    document: &Map<String, Value>,
    did: &WbaDid,
    methods: &Methods,
    now: UnixSeconds,
) -> Result<Option<VerifyingKey>, ResolvedDocumentError> {
    let Some(proof) = document.get("proof") else { return Ok(None) };
    let proof = proof.as_object().ok_or(ResolvedDocumentError::Form("proof"))?;
    let text = |name: &str| proof.get(name).and_then(Value::as_str);
    if (text("type"), text("cryptosuite")) != (Some("DataIntegrityProof"), Some("eddsa-jcs-2022")) {
        return Ok(None);
    }
    check_options(proof, now)?;
    let id = absolute(text("verificationMethod").unwrap_or_default(), did);
    let key = methods.keys.get(&id).filter(|_| methods.assertion.contains(&id));
    let key = key.ok_or(ResolvedDocumentError::Form("proof.verificationMethod"))?;
    let (signature, options) = read_value(document, proof)?;
    let input = input(document, options).ok_or(ResolvedDocumentError::Proof)?;
    key.verify_strict(&input, &signature).map_err(|_| ResolvedDocumentError::Proof)?;
    Ok(Some(*key))
}

fn check_options(proof: &Map<String, Value>, now: UnixSeconds) -> Result<(), ResolvedDocumentError> {
    let text = |name: &str| proof.get(name).and_then(Value::as_str);
    if text("proofPurpose") != Some("assertionMethod") {
        return Err(ResolvedDocumentError::Form("proof.proofPurpose"));
    }
    let time = |text: &str| timestamp::parse_any(text);
    if text("created").and_then(time).is_none() {
        return Err(ResolvedDocumentError::Form("proof.created"));
    }
    match proof.get("expires") {
        None => Ok(()),
        Some(expires) => match expires.as_str().and_then(time) {
            None => Err(ResolvedDocumentError::Form("proof.expires")),
            Some(expires) if expires <= now => Err(ResolvedDocumentError::ProofExpired),
            Some(_) => Ok(()),
        },
    }
}

/// The signature, and the options that it covers.
fn read_value(
    document: &Map<String, Value>,
    proof: &Map<String, Value>,
) -> Result<(Signature, Map<String, Value>), ResolvedDocumentError> {
    let unfit = || ResolvedDocumentError::Form("proof.proofValue");
    let mut options = proof.clone();
    let value = options.remove("proofValue");
    let text = value.as_ref().and_then(Value::as_str).ok_or_else(unfit)?;
    if text.len() > PROOF_VALUE_BYTES_MAX {
        return Err(unfit());
    }
    let multibase = text.strip_prefix('z').and_then(|body| bs58::decode(body).into_vec().ok());
    if let Some(signature) = multibase.and_then(|bytes| Signature::from_slice(&bytes).ok()) {
        let context = document.get("@context").cloned();
        if options.contains_key("@context") && options.get("@context") != context.as_ref() {
            return Err(ResolvedDocumentError::Form("proof.@context"));
        }
        options.extend(context.map(|context| ("@context".to_owned(), context)));
        return Ok((signature, options));
    }
    let bytes = base64url::decode_array::<64>(text).map_err(|_| unfit())?;
    Ok((Signature::from_bytes(&bytes), options))
}

fn input(document: &Map<String, Value>, options: Map<String, Value>) -> Option<Vec<u8>> {
    let mut bare = document.clone();
    bare.remove("proof");
    let hash =
        |members| Some(Sha256::digest(serde_json_canonicalizer::to_vec(&Value::Object(members)).ok()?));
    let mut input = hash(options)?.to_vec();
    input.extend_from_slice(&hash(bare)?);
    Some(input)
}
