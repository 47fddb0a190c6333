//! Verifies a DID document that somebody else made: its form, its keys and its proof.

use std::collections::BTreeMap;

use super::*;
use crate::did::Domain;
use crate::identity::KeyUse;
use crate::limits::KEYS_PER_USE_MAX;

/// Bytes of the base58 text of a signature that are decoded; 64 bytes take at most 88 characters.
const PROOF_VALUE_BYTES_MAX: usize = 96;

/// The public keys of a verified document.
#[derive(Debug, Clone, PartialEq)]
pub struct PublicKeys {
    pub root: VerifyingKey,
    pub signing: BTreeMap<Kid, VerifyingKey>,
    pub encryption: BTreeMap<Kid, PublicKey>,
    /// When the root key signed the document.
    pub created: UnixSeconds,
}

impl PublicKeys {
    /// The encryption key to encrypt to: the one with the highest number.
    #[must_use]
    pub fn current_encryption(&self) -> Option<(&Kid, &PublicKey)> {
        self.encryption.last_key_value()
    }
}

/// Why a document was refused.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("the document is for `{found}`, not for `{wanted}`")]
    Subject { wanted: String, found: String },
    #[error("the document's {0} has another form than this protocol writes")]
    Form(&'static str),
    #[error("the document's key `{kid}` cannot be used")]
    Key { kid: String, source: MultikeyError },
    #[error("the document's proof does not verify under its root key")]
    Proof,
}

/// Verifies the document of an agent, or of its alias, whose `id` must be `subject`.
///
/// # Errors
/// The first check that fails, with the member or key that it is about.
pub fn verify(document: &DidDocument, subject: &str) -> Result<PublicKeys, DocumentError> {
    check_subject(document, subject)?;
    let keys = read_keys(document)?;
    check_relationships(document, &keys)?;
    let created = check_proof(document, &keys.root)?;
    Ok(PublicKeys { created, ..keys })
}

/// Verifies the document of a relay's domain and returns its key.
///
/// # Errors
/// The same as [`verify`].
pub fn verify_domain(document: &DidDocument, domain: &Domain) -> Result<VerifyingKey, DocumentError> {
    check_subject(document, &domain.did())?;
    let keys = read_keys(document)?;
    check_proof(document, &keys.root)?;
    Ok(keys.root)
}

fn check_subject(document: &DidDocument, subject: &str) -> Result<(), DocumentError> {
    if document.id != subject {
        return Err(DocumentError::Subject { wanted: subject.to_owned(), found: document.id.clone() });
    }
    if document.context != CONTEXTS { Err(DocumentError::Form("@context")) } else { Ok(()) }
}

fn read_keys(document: &DidDocument) -> Result<PublicKeys, DocumentError> {
    let mut root = None;
    let (mut signing, mut encryption) = (BTreeMap::new(), BTreeMap::new());
    for method in &document.verification_method {
        let fragment = fragment(document, &method.id).ok_or(DocumentError::Form("verificationMethod.id"))?;
        if method.r#type != "Multikey" || method.controller != document.id {
            return Err(DocumentError::Form("verificationMethod"));
        }
        let text = &method.public_key_multibase;
        let weak = |source| DocumentError::Key { kid: fragment.to_owned(), source };
        if fragment == "root" {
            let key = multikey::decode_ed25519(text).map_err(weak)?;
            refuse_second(root.replace(key))?;
            continue;
        }
        let kid: Kid = fragment.parse().map_err(|_| DocumentError::Form("verificationMethod.id"))?;
        match kid.key_use() {
            KeyUse::Signing => {
                refuse_second(signing.insert(kid, multikey::decode_ed25519(text).map_err(weak)?))?;
            }
            KeyUse::Encryption => {
                refuse_second(encryption.insert(kid, multikey::decode_x25519(text).map_err(weak)?))?;
            }
        }
    }
    if signing.len() > KEYS_PER_USE_MAX || encryption.len() > KEYS_PER_USE_MAX {
        return Err(DocumentError::Form("number of keys"));
    }
    let root = root.ok_or(DocumentError::Form("verificationMethod (no root key)"))?;
    Ok(PublicKeys { root, signing, encryption, created: 0 })
}

fn refuse_second<T>(previous: Option<T>) -> Result<(), DocumentError> {
    previous.map_or(Ok(()), |_| Err(DocumentError::Form("verificationMethod (one id twice)")))
}

/// Checks that every signing key authenticates, every encryption key agrees on keys, and the root
/// asserts. An agent has at least one signing key and one encryption key.
fn check_relationships(document: &DidDocument, keys: &PublicKeys) -> Result<(), DocumentError> {
    let id = &document.id;
    let all = |kids: Vec<String>, listed: &[String]| {
        kids.iter().all(|kid| listed.iter().filter(|l| *l == kid).count() == 1)
    };
    let root = format!("{id}#root");
    let signing: Vec<_> = keys.signing.keys().map(|kid| format!("{id}#{kid}")).collect();
    let encryption: Vec<_> = keys.encryption.keys().map(|kid| format!("{id}#{kid}")).collect();
    let roots = document.authentication.iter().filter(|a| **a == root).count();
    if signing.is_empty() || document.authentication.len() != signing.len() + roots || roots > 1 {
        return Err(DocumentError::Form("authentication"));
    }
    if encryption.is_empty() || document.key_agreement.len() != encryption.len() {
        return Err(DocumentError::Form("keyAgreement"));
    }
    if !all(signing, &document.authentication) || !all(encryption, &document.key_agreement) {
        return Err(DocumentError::Form("authentication or keyAgreement"));
    }
    if document.assertion_method != [root] { Err(DocumentError::Form("assertionMethod")) } else { Ok(()) }
}

fn check_proof(document: &DidDocument, root: &VerifyingKey) -> Result<UnixSeconds, DocumentError> {
    let proof = document.proof.as_ref().ok_or(DocumentError::Form("proof (missing)"))?;
    let form = proof.r#type == "DataIntegrityProof"
        && proof.cryptosuite == "eddsa-jcs-2022"
        && proof.proof_purpose == "assertionMethod"
        && proof.context == document.context
        && proof.verification_method == format!("{}#root", document.id);
    if !form {
        return Err(DocumentError::Form("proof"));
    }
    let created = timestamp::parse(&proof.created).ok_or(DocumentError::Form("proof.created"))?;
    let signature = decode_signature(&proof.proof_value).ok_or(DocumentError::Form("proof.proofValue"))?;
    let input = proof_input(document, proof).map_err(|_| DocumentError::Proof)?;
    root.verify_strict(&input, &signature).map_err(|_| DocumentError::Proof)?;
    Ok(created)
}

fn decode_signature(text: &str) -> Option<Signature> {
    let body = text.strip_prefix('z').filter(|b| b.len() <= PROOF_VALUE_BYTES_MAX)?;
    Signature::from_slice(&bs58::decode(body).into_vec().ok()?).ok()
}

fn fragment<'a>(document: &DidDocument, id: &'a str) -> Option<&'a str> {
    id.strip_prefix(document.id.as_str())?.strip_prefix('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents() -> (Identity, DidDocument, DidDocument) {
        let did = "did:wba:example.com:agent:acme:alice".parse().unwrap();
        let identity = Identity::generate(did, 100, &mut rand::rng());
        let (named, alias) = build(&identity, Some("wss://example.com/ws"), 1_790_000_000);
        (identity, named, alias)
    }

    #[test]
    fn both_documents_of_an_identity_verify_under_its_root() {
        let (identity, named, alias) = documents();
        for document in [&named, &alias] {
            let keys = verify(document, &document.id).unwrap();
            assert_eq!(keys.root, identity.root_public());
            assert_eq!(keys.created, 1_790_000_000);
        }
        assert_eq!(named.also_known_as, [alias.id]);
    }

    #[test]
    fn a_document_of_somebody_else_is_refused_by_name() {
        let (_, named, _) = documents();
        let error = verify(&named, "did:wba:example.com:agent:acme:bob").unwrap_err();
        assert!(matches!(error, DocumentError::Subject { .. }), "{error}");
    }

    #[test]
    fn an_exchanged_key_breaks_the_proof() {
        let (_, mut named, _) = documents();
        let other = SigningKey::from_bytes(&[9; 32]).verifying_key();
        named.verification_method[1].public_key_multibase = multikey::encode_ed25519(&other);
        assert!(matches!(verify(&named, &named.id.clone()).unwrap_err(), DocumentError::Proof));
    }

    #[test]
    fn a_small_order_root_is_refused_before_its_proof_is_looked_at() {
        let (_, mut named, _) = documents();
        let mut weak = vec![0xed, 0x01];
        weak.extend_from_slice(&[0; 32]);
        named.verification_method[0].public_key_multibase = format!("z{}", bs58::encode(weak).into_string());
        let error = verify(&named, &named.id.clone()).unwrap_err();
        assert!(matches!(error, DocumentError::Key { ref kid, .. } if kid == "root"), "{error}");
    }

    #[test]
    fn too_many_keys_of_one_use_are_refused() {
        for (kid, encode) in [
            ("sig", multikey::encode_ed25519 as fn(&VerifyingKey) -> String),
            ("enc", |key| multikey::encode_x25519(&PublicKey::from(key.to_montgomery().to_bytes()))),
        ] {
            let (_, mut named, _) = documents();
            for number in 2..=9 {
                let key = SigningKey::from_bytes(&[number; 32]).verifying_key();
                let mut method = named.verification_method[1].clone();
                (method.id, method.public_key_multibase) =
                    (format!("{}#{kid}-{number}", named.id), encode(&key));
                named.verification_method.push(method);
            }
            let error = verify(&named, &named.id.clone()).unwrap_err();
            assert!(matches!(error, DocumentError::Form("number of keys")), "{kid}: {error}");
        }
    }

    #[test]
    fn the_document_of_a_domain_is_signed_by_its_root() {
        let (domain, key): (Domain, _) = ("example.com".parse().unwrap(), SigningKey::from_bytes(&[9; 32]));
        let mut document = build_for_domain(&domain, &key, "wss://example.com/ws", 1_790_000_000);
        assert_eq!(verify_domain(&document, &domain).unwrap(), key.verifying_key());
        document.service[0].service_endpoint = "wss://evil.example/ws".into();
        assert!(matches!(verify_domain(&document, &domain).unwrap_err(), DocumentError::Proof));
    }

    #[test]
    fn a_signing_key_that_does_not_authenticate_is_refused() {
        let (_, mut named, _) = documents();
        named.authentication.clear();
        assert!(matches!(
            verify(&named, &named.id.clone()).unwrap_err(),
            DocumentError::Form("authentication")
        ));
    }

    #[test]
    fn a_document_with_more_keys_of_one_use_than_allowed_is_refused() {
        let (_, mut named, _) = documents();
        for number in 2..=KEYS_PER_USE_MAX + 1 {
            let mut method = named.verification_method[1].clone();
            method.id = format!("{}#sig-{number}", named.id);
            named.authentication.push(method.id.clone());
            named.verification_method.push(method);
        }
        let error = verify(&named, &named.id.clone()).unwrap_err();
        assert!(matches!(error, DocumentError::Form("number of keys")), "{error}");
    }

    #[test]
    fn the_document_of_a_domain_is_believed_only_with_its_proof() {
        let (identity, mut document, _) = documents();
        let domain: Domain = "example.com".parse().unwrap();
        let (id, former) = (domain.did(), document.id.clone());
        document.id.clone_from(&id);
        for method in &mut document.verification_method {
            method.id = method.id.replace(&former, &id);
            method.controller.clone_from(&id);
        }
        let error = verify_domain(&document, &domain).unwrap_err();
        assert!(matches!(error, DocumentError::Form(_) | DocumentError::Proof), "{error}");
        drop(identity);
    }
}
