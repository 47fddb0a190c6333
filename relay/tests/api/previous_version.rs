//! Tests with bodies of the previous version, which no longer changes: its operator and a relay of
//! this version work together.

use std::collections::BTreeSet;

use protocol::admin::{AgentView, Version, capability};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{TestRelay, start};

const HASH: &str = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
const ROOT_KEY: &str = "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";

/// The requests of the previous operator, in the order in which it sends them. It names no owner,
/// no term and no policy.
fn requests() -> Vec<(Method, &'static str, Value)> {
    vec![
        (Method::PUT, "tenants/acme", json!({"displayName": "Acme", "suspended": false, "agentsMax": 5})),
        (
            Method::PUT,
            "tenants/acme/agents/alice",
            json!({
                "rootKey": ROOT_KEY,
                "card": {"name": "Alice", "description": "", "discovery": "tenant"},
                "suspended": false,
                "keys": [{"sha256": HASH, "notAfter": 4_000_000_000_u64}],
                "mcp": {"url": "https://alice.example/mcp", "accounts": ["ann@example.com"]},
            }),
        ),
        (
            Method::PUT,
            "tenants/acme/invitations/guest",
            json!({"agent": "alice", "sha256": HASH, "notAfter": 0}),
        ),
        (Method::PUT, "tenants/acme/agents/alice", json!({"suspended": true, "keys": []})),
        (Method::DELETE, "tenants/acme/invitations/guest", Value::Null),
        (Method::DELETE, "tenants/acme/agents/alice", Value::Null),
        (Method::DELETE, "tenants/acme", Value::Null),
    ]
}

async fn send(relay: &TestRelay, method: Method, path: &str, mut body: Value) -> Value {
    if let Some(not_after) = body.get_mut("notAfter") {
        *not_after = json!(crate::agent::now() + 3_600);
    }
    let body = (!body.is_null()).then_some(body);
    relay.admin::<Value>(method, path, body.as_ref()).await.unwrap()
}

#[tokio::test]
async fn every_request_of_the_previous_operator_is_taken_and_answered_as_it_expects() {
    let relay = start().await;
    for (method, path, body) in requests() {
        let answer = send(&relay, method.clone(), path, body).await;
        // The previous operator refuses an answer with another member.
        let members: Vec<_> = answer.as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["version"], "{method} {path}");
    }
}

#[tokio::test]
async fn what_the_previous_operator_made_belongs_to_nobody_until_its_successor_claims_it() {
    let relay = start().await;
    for (method, path, body) in requests().into_iter().take(2) {
        send(&relay, method, path, body).await;
    }
    let path = "tenants/acme/agents/alice";
    assert_eq!(relay.get::<AgentView>(path).await.unwrap().owner, None);
    let (_, _, body) = requests().swap_remove(1);
    let owner = [(protocol::admin::OWNER_HEADER, "kubernetes:a")];
    relay.admin_with::<Value>(&owner, Method::PUT, path, Some(&body)).await.unwrap();
    let view: AgentView = relay.get(path).await.unwrap();
    assert_eq!(view.owner.unwrap().to_string(), "kubernetes:a");
}

#[tokio::test]
async fn a_refusal_has_the_members_of_the_previous_version() {
    let relay = start().await;
    let url = format!("{}/admin/v1/version", relay.admin_url);
    let answer = relay.client.get(url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let problem: Value = answer.json().await.unwrap();
    let members: BTreeSet<_> = problem.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, BTreeSet::from(["type", "title", "status", "reason"]));
}

#[tokio::test]
async fn the_version_lists_everything_that_the_previous_one_did_not_know() {
    let relay = start().await;
    let version: Version = relay.get("version").await.unwrap();
    let known = [
        capability::OWNERS,
        capability::TERMS,
        capability::BULK,
        capability::DELETION_POLICY,
        capability::DIGESTS,
    ];
    assert_eq!(version.capabilities, known.map(String::from).into());
}
