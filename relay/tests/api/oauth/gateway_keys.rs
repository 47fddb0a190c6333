//! The gateway asks about API keys, and what happens to those who are not the gateway.

use protocol::admin::{KeySpec, McpSpec};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::gateway::*;
use super::person::{counted, introspect};
use crate::harness::{agent_spec, new_key, start, start_with};

#[tokio::test]
async fn a_key_of_one_agent_speaks_for_it_and_each_other_is_refused_with_its_reason() {
    let relay = start_with(with_gateway).await;
    let alice = put_served(&relay, "alice", &[]).await;
    let expected = json!({
        "active": true, "agent": "did:wba:localhost:agent:alice", "endpoint": endpoint_of("alice"),
    });
    assert_eq!(ask(&relay, alice.reveal()).await, expected);

    let bob = relay.agent_with_key("bob").await;
    assert_eq!(reason(&relay, bob.reveal()).await, "no_endpoint");
    put_mcp(&relay, "bob", &[], None).await;
    assert_eq!(reason(&relay, bob.reveal()).await, "no_endpoint");
    assert_eq!(reason(&relay, new_key().reveal()).await, "key_unknown");
    let tenants = new_key();
    let spec = KeySpec { sha256: tenants.hash(), not_after: None };
    relay.put(&format!("tenants/default/keys/{}", tenants.hash().key_id()), &spec).await.unwrap();
    assert_eq!(reason(&relay, tenants.reveal()).await, "key_of_a_tenant");
    relay.put("tenants/default/agents/bob", &agent_spec(&[(&bob, Some(1))])).await.unwrap();
    assert_eq!(reason(&relay, bob.reveal()).await, "key_expired");
    let suspension = protocol::admin::Suspension { suspended: true };
    relay.put("tenants/default/agents/alice/suspension", &suspension).await.unwrap();
    assert_eq!(reason(&relay, alice.reveal()).await, "suspended");
    assert!(counted(&relay, "introspect", "key_of_a_tenant").await >= 1.0);
}

#[tokio::test]
async fn a_key_that_ends_is_told_with_its_end() {
    let relay = start_with(with_gateway).await;
    let key = new_key();
    let mut spec = agent_spec(&[(&key, Some(4_000_000_000))]);
    let endpoint = Some(endpoint_of("alice"));
    spec.mcp = Some(McpSpec { url: "https://mcp.example/alice".into(), accounts: vec![], endpoint });
    relay.put("tenants/default/agents/alice", &spec).await.unwrap();
    assert_eq!(told(&relay, key.reveal()).await.exp, Some(4_000_000_000));
    let shown: McpSpec = relay.get("tenants/default/agents/alice/mcp").await.unwrap();
    assert_eq!(Some(shown), spec.mcp);
    // And it is on disk.
    let relay = relay.restart_with(with_gateway).await;
    assert_eq!(told(&relay, key.reveal()).await.endpoint, Some(endpoint_of("alice")));
}

#[tokio::test]
async fn who_does_not_present_the_gateways_token_is_refused_and_in_the_end_throttled() {
    let relay = start_with(with_gateway).await;
    let alice = put_served(&relay, "alice", &[]).await;
    let mut answers = Vec::new();
    for _ in 0..20 {
        let answer = ask_as(&relay, "guess", alice.reveal()).await;
        answers.push((answer.status(), answer.json::<Value>().await.unwrap()["error"].clone()));
    }
    assert_eq!(answers[0], (StatusCode::UNAUTHORIZED, "invalid_token".into()));
    assert_eq!(answers.last().unwrap().0, StatusCode::TOO_MANY_REQUESTS);
    assert!(counted(&relay, "introspect", "key_refused").await >= 1.0);
    // The gateway itself is never slowed down, also at the same address.
    assert!(told(&relay, alice.reveal()).await.active);
    // An agent's question is answered as ever, without a reason.
    assert_eq!(introspect(&relay, &alice, alice.reveal()).await, json!({"active": false}));
}

#[tokio::test]
async fn a_rotated_token_holds_at_once_and_without_one_nobody_is_the_gateway() {
    let mut file = None;
    let relay = start_with(|config, folder| {
        with_gateway(config, folder);
        file = Some(token_file(folder));
    })
    .await;
    let (alice, file) = (put_served(&relay, "alice", &[]).await, file.unwrap());
    std::fs::write(&file, "next").unwrap();
    assert_eq!(ask_as(&relay, TOKEN, alice.reveal()).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ask_as(&relay, "next", alice.reveal()).await.status(), StatusCode::OK);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(ask_as(&relay, "next", alice.reveal()).await.status(), StatusCode::UNAUTHORIZED);

    let relay = start().await;
    assert_eq!(ask_as(&relay, TOKEN, alice.reveal()).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_agents_own_url_is_never_the_gateways() {
    let relay = start_with(with_gateway).await;
    relay.agent_with_key("alice").await;
    let mut spec = McpSpec { url: GATEWAY.into(), accounts: vec![], endpoint: None };
    let refused = relay.put("tenants/default/agents/alice/mcp", &spec).await.unwrap_err();
    assert!(refused.detail.unwrap().contains("this is the relay's MCP gateway"));
    spec =
        McpSpec { url: "https://mcp.example/alice".into(), endpoint: Some("ftp://alice/mcp".into()), ..spec };
    let refused = relay.put("tenants/default/agents/alice/mcp", &spec).await.unwrap_err();
    assert!(refused.detail.unwrap().starts_with("endpoint is not a URL that the gateway can reach"));
}
