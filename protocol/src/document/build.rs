//! Builds and signs the DID documents of an identity and of a relay's domain.

use super::*;
use crate::did::Domain;
use crate::direct::{self, DirectEndpoint};

/// Builds the document under the agent's DID and the one under its self-certifying alias. The root
/// key signs both. `relay` is the relay's WebSocket URL, which becomes the documents' service.
#[must_use]
pub fn build(identity: &Identity, relay: Option<&str>, now: UnixSeconds) -> (DidDocument, DidDocument) {
    build_with_direct(identity, relay, &[], now)
}

/// Like [`build`], with the addresses at which the agent can be reached without the relay. They are
/// in the document under the DID alone.
#[must_use]
pub fn build_with_direct(
    identity: &Identity,
    relay: Option<&str>,
    endpoints: &[DirectEndpoint],
    now: UnixSeconds,
) -> (DidDocument, DidDocument) {
    let name = identity.did().to_string();
    let alias = format!("{name}:e1_{}", thumbprint(&identity.root_public()));
    let mut named = unsigned(identity, &name, vec![alias.clone()], vec![], relay);
    named.service.extend(direct::services(&named.id, endpoints));
    let aliased = unsigned(identity, &alias, vec![name], vec!["root"], relay);
    (signed(named, identity.root(), now), signed(aliased, identity.root(), now))
}

/// Builds the document of a relay's domain. Its only key, `root`, authenticates and asserts.
#[must_use]
pub fn build_for_domain(domain: &Domain, key: &SigningKey, relay_url: &str, now: UnixSeconds) -> DidDocument {
    let id = domain.did();
    let document = DidDocument {
        context: CONTEXTS.map(str::to_owned).to_vec(),
        also_known_as: vec![],
        verification_method: vec![method(&id, "root", multikey::encode_ed25519(&key.verifying_key()))],
        authentication: vec![format!("{id}#root")],
        assertion_method: vec![format!("{id}#root")],
        key_agreement: vec![],
        service: vec![relay_service(&id, relay_url)],
        id,
        proof: None,
    };
    signed(document, key, now)
}

fn unsigned(
    identity: &Identity,
    id: &str,
    also_known_as: Vec<String>,
    also_authenticates: Vec<&str>,
    relay: Option<&str>,
) -> DidDocument {
    let mut methods = vec![method(id, "root", multikey::encode_ed25519(&identity.root_public()))];
    let mut authentication: Vec<_> = also_authenticates.iter().map(|kid| format!("{id}#{kid}")).collect();
    for key in identity.signing() {
        methods.push(method(id, &key.kid.to_string(), multikey::encode_ed25519(&key.key.verifying_key())));
        authentication.push(format!("{id}#{}", key.kid));
    }
    let mut key_agreement = Vec::new();
    for key in identity.encryption() {
        methods.push(method(id, &key.kid.to_string(), multikey::encode_x25519(&public_of(&key.key))));
        key_agreement.push(format!("{id}#{}", key.kid));
    }
    DidDocument {
        context: CONTEXTS.map(str::to_owned).to_vec(),
        id: id.to_owned(),
        also_known_as,
        verification_method: methods,
        authentication,
        assertion_method: vec![format!("{id}#root")],
        key_agreement,
        service: relay.map(|url| relay_service(id, url)).into_iter().collect(),
        proof: None,
    }
}

fn relay_service(id: &str, url: &str) -> Service {
    Service {
        id: format!("{id}#relay"),
        r#type: "Msg2AgentRelay".to_owned(),
        service_endpoint: url.to_owned(),
    }
}

fn method(id: &str, kid: &str, key: String) -> VerificationMethod {
    VerificationMethod {
        id: format!("{id}#{kid}"),
        r#type: "Multikey".to_owned(),
        controller: id.to_owned(),
        public_key_multibase: key,
    }
}

fn signed(mut document: DidDocument, key: &SigningKey, now: UnixSeconds) -> DidDocument {
    let mut proof = DataIntegrityProof {
        context: document.context.clone(),
        r#type: "DataIntegrityProof".to_owned(),
        cryptosuite: "eddsa-jcs-2022".to_owned(),
        created: timestamp::format(now),
        verification_method: format!("{}#root", document.id),
        proof_purpose: "assertionMethod".to_owned(),
        proof_value: String::new(),
    };
    // A document of strings always has canonical JSON; a signature of an empty input would never
    // verify.
    let input = proof_input(&document, &proof).unwrap_or_default();
    proof.proof_value = format!("z{}", bs58::encode(key.sign(&input).to_bytes()).into_string());
    document.proof = Some(proof);
    document
}
