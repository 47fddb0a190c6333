//! Builds and signs the DID documents of an identity and of a relay's domain.

use super::*;
use crate::did::Domain;
use crate::direct::{self, DirectEndpoint};

/// The addresses of an agent. Each becomes a service of its documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceUrls<'a> {
    /// The relay's WebSocket URL.
    pub relay: Option<&'a str>,
    /// The URL of its MCP endpoint.
    pub mcp: Option<&'a str>,
    /// The URL under which its A2A agent card is found.
    pub a2a: Option<&'a str>,
    /// The addresses at which it can be reached without the relay. They are in the document under
    /// the DID alone.
    pub direct: &'a [DirectEndpoint],
}

/// Builds the document under the agent's DID and the one under its self-certifying alias. The root
/// key signs both. `relay` is the relay's WebSocket URL, which becomes the documents' service.
#[must_use]
pub fn build(identity: &Identity, relay: Option<&str>, now: UnixSeconds) -> (DidDocument, DidDocument) {
    build_with_services(identity, ServiceUrls { relay, ..ServiceUrls::default() }, now)
}

/// The same as [`build`] with all addresses of the agent.
#[must_use]
pub fn build_with_services(
    identity: &Identity,
    urls: ServiceUrls<'_>,
    now: UnixSeconds,
) -> (DidDocument, DidDocument) {
    let name = identity.did().to_string();
    let alias = format!("{name}:e1_{}", thumbprint(&identity.root_public()));
    let mut named = unsigned(identity, &name, vec![alias.clone()], vec![], urls);
    named.service.extend(direct::services(&named.id, urls.direct));
    let aliased = unsigned(identity, &alias, vec![name], vec!["root"], urls);
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
        service: ServiceUrls { relay: Some(relay_url), ..ServiceUrls::default() }.services(&id),
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
    urls: ServiceUrls<'_>,
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
        service: urls.services(id),
        proof: None,
    }
}

impl ServiceUrls<'_> {
    fn services(&self, id: &str) -> Vec<Service> {
        let services = [
            ("relay", "Msg2AgentRelay", self.relay),
            ("mcp", "McpEndpoint", self.mcp),
            ("a2a", "A2AAgent", self.a2a),
        ];
        let service = |(fragment, kind, url): (&str, &str, Option<&str>)| {
            Some(Service {
                id: format!("{id}#{fragment}"),
                r#type: kind.to_owned(),
                service_endpoint: url?.to_owned(),
            })
        };
        services.into_iter().filter_map(service).collect()
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
