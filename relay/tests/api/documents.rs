//! Tests of DID documents, which anybody can fetch and verify.

use protocol::document::{self, DidDocument};
use protocol::record::{self, Card, Discovery, VerifiedRecord};
use protocol::{Identity, Reason};

use crate::harness::{DOMAIN, TestRelay, start};

async fn fetch(relay: &TestRelay, path: &str) -> reqwest::Response {
    relay.client.get(format!("{}{path}", relay.url)).send().await.unwrap()
}

async fn fetch_document(relay: &TestRelay, path: &str) -> DidDocument {
    let answer = fetch(relay, path).await;
    assert_eq!(answer.status(), 200, "{path}");
    assert_eq!(answer.headers()["content-type"], "application/did+json");
    answer.json().await.unwrap()
}

/// An agent of the default tenant whose record the directory has accepted.
async fn registered(relay: &TestRelay, name: &str, card: Card) -> Identity {
    let key = relay.agent_with_key(name).await;
    let did = format!("did:wba:{DOMAIN}:agent:{name}").parse().unwrap();
    let identity = Identity::generate(did, 1_700_000_000, &mut rand::rng());
    let bytes = record::build(&identity, card, None, 1_700_000_000).unwrap();
    let verified = VerifiedRecord::parse(&bytes, identity.did()).unwrap();
    let who = relay.directory.authenticate(key.reveal()).unwrap();
    relay.directory.publish(&who, identity.did(), verified).await.unwrap();
    identity
}

#[tokio::test]
async fn the_domain_document_verifies_and_keeps_its_key_over_a_restart() {
    let relay = start().await;
    let domain = DOMAIN.parse().unwrap();
    let document = fetch_document(&relay, "/.well-known/did.json").await;
    let key = document::verify_domain(&document, &domain).unwrap();
    let relay = relay.restart().await;
    let document = fetch_document(&relay, "/.well-known/did.json").await;
    assert_eq!(document::verify_domain(&document, &domain).unwrap(), key);
}

#[tokio::test]
async fn an_agents_documents_are_served_as_registered_and_verify() {
    let relay = start().await;
    let hidden = Card { discovery: Discovery::Hidden, ..Card::default() };
    let alice = registered(&relay, "alice", hidden).await;
    let named = fetch_document(&relay, "/agent/alice/did.json").await;
    let keys = document::verify(&named, alice.did().as_str()).unwrap();
    assert_eq!(keys.root, alice.root_public());

    let thumbprint = document::thumbprint(&alice.root_public());
    let aliased = fetch_document(&relay, &format!("/agent/alice/e1_{thumbprint}/did.json")).await;
    let subject = format!("{}:e1_{thumbprint}", alice.did());
    assert_eq!(document::verify(&aliased, &subject).unwrap(), keys);

    let relay = relay.restart().await;
    assert_eq!(fetch_document(&relay, "/agent/alice/did.json").await, named);
}

#[tokio::test]
async fn documents_of_unregistered_agents_are_not_found() {
    let relay = start().await;
    relay.agent_with_key("declared").await;
    registered(&relay, "alice", Card::default()).await;
    for path in [
        "/agent/declared/did.json",
        "/agent/nobody/did.json",
        "/agent/default/alice/did.json",
        "/agent/acme/alice/did.json",
        "/agent/alice/e1_other/did.json",
        "/agent/alice",
        "/elsewhere",
    ] {
        let answer = fetch(&relay, path).await;
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: protocol::admin::Problem = answer.json().await.unwrap();
        assert_eq!(problem.reason, Reason::NotFound, "{path}");
    }
}
