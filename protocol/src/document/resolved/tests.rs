//! Documents in the forms that other programs write, whole and spoiled.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: UnixSeconds = 1_790_000_000;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn did_of(key: &SigningKey) -> String {
    format!("did:wba:example.com%3A8443:user:alice:e1_{}", thumbprint(&key.verifying_key()))
}

/// Changes a document.
type Spoil<'a> = &'a dyn Fn(&mut Value);

/// How a program writes the signature.
#[derive(Debug, Clone, Copy, PartialEq)]
enum ProofForm {
    /// Multibase, over options with the context, which stands in the proof.
    W3c,
    /// Multibase, over options with the context, which the proof leaves out.
    W3cWithoutContext,
    /// Base64url, over options without a context.
    Anp,
}

const FORMS: [ProofForm; 3] = [ProofForm::W3c, ProofForm::W3cWithoutContext, ProofForm::Anp];

/// A document as the Python package `anp` 1.0.7 makes it, without proof.
fn unsigned(did: &str, key: &SigningKey) -> Value {
    json!({
        "@context": [CONTEXTS[0], CONTEXTS[1], CONTEXTS[2], "https://w3id.org/security/suites/x25519-2019/v1"],
        "id": did,
        "verificationMethod": [
            {"id": format!("{did}#key-1"), "type": "Multikey", "controller": did,
             "publicKeyMultibase": multikey::encode_ed25519(&key.verifying_key())},
            {"id": format!("{did}#key-2"), "type": "EcdsaSecp256r1VerificationKey2019", "controller": did,
             "publicKeyJwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}},
            {"id": format!("{did}#key-3"), "type": "X25519KeyAgreementKey2019", "controller": did,
             "publicKeyMultibase": "z9hFgmPVfmBZwRvFEyniQDBkz9LmV7gDEqytWyGZLmDXE"},
        ],
        "authentication": [format!("{did}#key-1")],
        "assertionMethod": [format!("{did}#key-1")],
        "keyAgreement": [format!("{did}#key-3")],
        "service": [{"id": format!("{did}#ad"), "type": "AgentDescription",
                     "serviceEndpoint": "https://example.com/ad.json", "serviceDid": "did:wba:example.com"}],
    })
}

fn sign(mut document: Value, id: &str, key: &SigningKey, form: ProofForm, more: &Value) -> Value {
    let mut options = json!({
        "type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "created": "2026-09-21T14:13:20Z",
        "verificationMethod": id, "proofPurpose": "assertionMethod",
    });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut covered = options.clone();
    if form != ProofForm::Anp {
        covered["@context"] = document["@context"].clone();
    }
    let hash = |value: &Value| Sha256::digest(serde_json_canonicalizer::to_vec(value).unwrap());
    let signature = key.sign(&[hash(&covered), hash(&document)].concat()).to_bytes();
    let mut proof = if form == ProofForm::W3c { covered } else { options };
    proof["proofValue"] = match form {
        ProofForm::Anp => base64url::encode(&signature).into(),
        _ => format!("z{}", bs58::encode(signature).into_string()).into(),
    };
    document["proof"] = proof;
    document
}

fn signed(form: ProofForm) -> (WbaDid, Value) {
    let did = did_of(&key());
    let document = sign(unsigned(&did, &key()), &format!("{did}#key-1"), &key(), form, &json!({}));
    (did.parse().unwrap(), document)
}

fn parse(did: &WbaDid, document: &Value) -> Result<ResolvedDocument, ResolvedDocumentError> {
    ResolvedDocument::parse(&serde_json::to_vec(document).unwrap(), did, NOW)
}

#[test]
fn a_self_certifying_document_verifies_in_each_form_of_its_proof() {
    for form in FORMS {
        let (did, document) = signed(form);
        let found = parse(&did, &document).unwrap_or_else(|error| panic!("{form:?}: {error}"));
        assert_eq!(found.assurance, Assurance::SelfCertified);
        assert_eq!(found.binding_key(), Some(&key().verifying_key()));
        assert_eq!(found.authentication_key(&format!("{did}#key-1")), Some(&key().verifying_key()));
        assert_eq!(found.authentication_keys().count(), 1);
        assert_eq!(found.authentication_key(&format!("{did}#key-3")), None);
        assert_eq!(found.services[0].service_endpoint, "https://example.com/ad.json");
    }
}

#[test]
fn a_proof_verifies_in_its_own_form_only() {
    let (did, mut document) = signed(ProofForm::Anp);
    let bytes = base64url::decode(document["proof"]["proofValue"].as_str().unwrap()).unwrap();
    document["proof"]["proofValue"] = format!("z{}", bs58::encode(bytes).into_string()).into();
    assert!(matches!(parse(&did, &document).unwrap_err(), ResolvedDocumentError::Proof));
}

#[test]
fn each_changed_member_breaks_the_proof() {
    for (pointer, value) in [
        ("/service/0/serviceEndpoint", "https://evil.example"),
        ("/proof/created", "2026-09-21T14:13:21Z"),
        ("/verificationMethod/2/publicKeyMultibase", "z9hFgmPVfmBZwRvFEyniQDBkz9LmV7gDEqytWyGZLmDXX"),
    ] {
        for form in FORMS {
            let (did, mut document) = signed(form);
            *document.pointer_mut(pointer).unwrap() = value.into();
            let error = parse(&did, &document).unwrap_err();
            assert!(matches!(error, ResolvedDocumentError::Proof), "{pointer} {form:?}: {error}");
        }
    }
}

#[test]
fn another_key_cannot_sign_for_a_self_certifying_did() {
    let (did, other) = (did_of(&key()), SigningKey::from_bytes(&[8; 32]));
    let document = sign(unsigned(&did, &other), &format!("{did}#key-1"), &other, ProofForm::W3c, &json!({}));
    let error = parse(&did.parse().unwrap(), &document).unwrap_err();
    assert!(matches!(error, ResolvedDocumentError::Thumbprint), "{error}");
}

#[test]
fn a_self_certifying_did_needs_a_proof_of_the_suite_that_its_method_names() {
    let (did, mut document) = signed(ProofForm::W3c);
    document["proof"]["cryptosuite"] = "eddsa-rdfc-2022".into();
    assert!(matches!(parse(&did, &document).unwrap_err(), ResolvedDocumentError::ProofMissing));
    document.as_object_mut().unwrap().remove("proof");
    assert!(matches!(parse(&did, &document).unwrap_err(), ResolvedDocumentError::ProofMissing));
}

#[test]
fn a_name_is_vouched_for_by_its_domain_alone_whatever_signs_its_document() {
    let did = "did:wba:example.com:agent:acme:alice";
    let bare = unsigned(did, &key());
    let proven = sign(bare.clone(), &format!("{did}#key-1"), &key(), ProofForm::W3c, &json!({}));
    for document in [bare, proven] {
        let found = parse(&did.parse().unwrap(), &document).unwrap();
        assert_eq!((found.assurance, found.binding_key()), (Assurance::Domain, None));
    }
}

#[test]
fn a_wrong_proof_of_a_name_is_refused_although_none_is_needed() {
    let did = "did:wba:example.com:agent:acme:alice";
    let mut document =
        sign(unsigned(did, &key()), &format!("{did}#key-1"), &key(), ProofForm::W3c, &json!({}));
    document["service"] = json!([]);
    assert!(matches!(parse(&did.parse().unwrap(), &document).unwrap_err(), ResolvedDocumentError::Proof));
}

#[test]
fn a_binding_key_that_does_not_authenticate_certifies_nothing() {
    let did = did_of(&key());
    let mut bare = unsigned(&did, &key());
    bare["authentication"] = json!([]);
    let document = sign(bare, &format!("{did}#key-1"), &key(), ProofForm::W3c, &json!({}));
    let error = parse(&did.parse().unwrap(), &document).unwrap_err();
    assert!(
        matches!(error, ResolvedDocumentError::Form(what) if what.starts_with("authentication")),
        "{error}"
    );
}

#[test]
fn a_proof_ends_when_it_says() {
    let did = did_of(&key());
    let at = |expires: &str| {
        let more = json!({"expires": expires});
        let document = sign(unsigned(&did, &key()), &format!("{did}#key-1"), &key(), ProofForm::W3c, &more);
        parse(&did.parse().unwrap(), &document)
    };
    at("2026-09-21T14:13:21Z").unwrap();
    assert!(matches!(at("2026-09-21T14:13:20+00:00").unwrap_err(), ResolvedDocumentError::ProofExpired));
    assert!(matches!(at("tomorrow").unwrap_err(), ResolvedDocumentError::Form("proof.expires")));
}

#[test]
fn a_document_that_contradicts_itself_or_has_another_form_is_refused_by_its_member() {
    let refusal = |spoil: Spoil<'_>| {
        let (did, mut document) = signed(ProofForm::W3c);
        spoil(&mut document);
        parse(&did, &document).unwrap_err().to_string()
    };
    let cases: [(&str, Spoil<'_>); 8] = [
        ("is for", &|d| d["id"] = "did:wba:example.com:user:bob".into()),
        ("@context", &|d| d["@context"] = json!(["https://example.com/v1"])),
        ("authentication", &|d| d["authentication"] = "#key-1".into()),
        ("one id twice", &|d| {
            let method = d["verificationMethod"][0].clone();
            d["verificationMethod"].as_array_mut().unwrap().push(method);
        }),
        ("more than 64", &|d| d["service"] = vec![json!({}); 65].into()),
        ("cannot be used", &|d| {
            let weak = [[0xed, 0x01].as_slice(), &[0; 32]].concat();
            d["verificationMethod"][0]["publicKeyMultibase"] =
                format!("z{}", bs58::encode(weak).into_string()).into();
        }),
        ("alsoKnownAs", &|d| d["alsoKnownAs"] = json!([1])),
        ("proof.verificationMethod", &|d| d["proof"]["verificationMethod"] = "#key-9".into()),
    ];
    for (said, spoil) in cases {
        let why = refusal(spoil);
        assert!(why.contains(said), "{said}: {why}");
    }
}

#[test]
fn a_key_that_somebody_else_controls_is_not_the_subjects() {
    let did = "did:wba:example.com";
    let mut document = unsigned(did, &key());
    document["verificationMethod"][0]["controller"] = "did:wba:evil.example".into();
    assert_eq!(parse(&did.parse().unwrap(), &document).unwrap().authentication_keys().count(), 0);
}

#[test]
fn relative_references_and_embedded_methods_and_json_web_keys_are_read() {
    let did = "did:wba:example.com";
    let x = base64url::encode(key().verifying_key().as_bytes());
    let document = json!({
        "@context": CONTEXTS[0], "id": did,
        "verificationMethod": [{"id": "#a", "type": "JsonWebKey2020", "controller": did,
                                "publicKeyJwk": {"kty": "OKP", "crv": "Ed25519", "x": x}}],
        "authentication": ["#a", {"id": "#b", "type": "Multikey", "controller": did,
                                  "publicKeyMultibase": multikey::encode_ed25519(&key().verifying_key())}],
    });
    let found = parse(&did.parse().unwrap(), &document).unwrap();
    let ids: Vec<_> = found.authentication_keys().map(|(id, _)| id.to_owned()).collect();
    assert_eq!(ids, ["did:wba:example.com#a", "did:wba:example.com#b"]);
}

#[test]
fn a_duplicate_member_and_a_long_document_are_refused_before_anything_is_read() {
    let did: WbaDid = "did:wba:example.com".parse().unwrap();
    let twice = br#"{"id":"did:wba:example.com","id":"did:wba:example.com"}"#;
    let error = ResolvedDocument::parse(twice, &did, NOW).unwrap_err();
    assert!(matches!(error, ResolvedDocumentError::Json(_)), "{error}");
    let long = vec![b' '; DOCUMENT_BYTES_MAX + 1];
    assert!(matches!(ResolvedDocument::parse(&long, &did, NOW), Err(ResolvedDocumentError::TooLong)));
}

#[test]
fn our_own_two_documents_are_linked_and_those_of_two_identities_are_not() {
    let identity = |name: &str| {
        let did = format!("did:wba:example.com:agent:acme:{name}").parse().unwrap();
        let (named, alias) = build(&Identity::generate(did, NOW, &mut rand::rng()), None, NOW);
        let read = |document: &DidDocument| {
            let bytes = serde_json::to_vec(document).unwrap();
            ResolvedDocument::parse(&bytes, &document.id.parse().unwrap(), NOW).unwrap()
        };
        (read(&named), read(&alias))
    };
    let ((named, alias), (other, other_alias)) = (identity("alice"), identity("alice"));
    assert_eq!((named.assurance, alias.assurance), (Assurance::Domain, Assurance::SelfCertified));
    assert!(named.is_linked_with(&alias));
    assert!(!alias.is_linked_with(&named), "a name certifies nothing");
    assert!(!named.is_linked_with(&other_alias) && !other.is_linked_with(&alias));
}

proptest! {
    /// Whatever arrives, nothing panics; and one changed byte never gives other keys.
    #[test]
    fn a_document_with_a_changed_byte_is_refused_or_says_the_same(at in 0usize..2048, to: u8) {
        let (did, document) = signed(ProofForm::W3c);
        let whole = parse(&did, &document).unwrap();
        let mut bytes = serde_json::to_vec(&document).unwrap();
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(found) = ResolvedDocument::parse(&bytes, &did, NOW) {
            prop_assert_eq!(found, whole);
        }
    }

    #[test]
    fn no_text_panics_the_reader(text in "\\PC*") {
        let did: WbaDid = "did:wba:example.com".parse().unwrap();
        drop(ResolvedDocument::parse(text.as_bytes(), &did, NOW));
        drop(text.parse::<WbaDid>());
    }
}
