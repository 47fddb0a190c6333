//! Introspection of API keys by the gateway, and refusals of callers that are not the gateway.

use protocol::admin::{KeySpec, McpSpec, Suspension, TenantSpec};
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
    assert_eq!(introspect_as_gateway(&relay, alice.reveal()).await, expected);

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
    let suspension = Suspension { suspended: true };
    relay.put("tenants/default/agents/alice/suspension", &suspension).await.unwrap();
    assert_eq!(reason(&relay, alice.reveal()).await, "suspended");
    assert!(counted(&relay, "introspect", "key_of_a_tenant").await >= 1.0);
}

#[tokio::test]
async fn the_expiry_of_a_key_is_in_the_introspection_response() {
    let relay = start_with(with_gateway).await;
    let key = new_key();
    let mut spec = agent_spec(&[(&key, Some(4_000_000_000))]);
    let endpoint = Some(endpoint_of("alice"));
    spec.mcp = Some(McpSpec { url: "https://mcp.example/alice".into(), accounts: vec![], endpoint });
    relay.put("tenants/default/agents/alice", &spec).await.unwrap();
    assert_eq!(introspection(&relay, key.reveal()).await.exp, Some(4_000_000_000));
    let shown: McpSpec = relay.get("tenants/default/agents/alice/mcp").await.unwrap();
    assert_eq!(Some(shown), spec.mcp);
    // The expiry is stored as well.
    let relay = relay.restart_with(with_gateway).await;
    assert_eq!(introspection(&relay, key.reveal()).await.endpoint, Some(endpoint_of("alice")));
}

#[tokio::test]
async fn a_caller_without_the_gateways_token_is_refused_and_finally_rate_limited() {
    let relay = start_with(with_gateway).await;
    let alice = put_served(&relay, "alice", &[]).await;
    let mut answers = Vec::new();
    for _ in 0..20 {
        let answer = introspect_as(&relay, "guess", alice.reveal()).await;
        answers.push((answer.status(), answer.json::<Value>().await.unwrap()["error"].clone()));
    }
    assert_eq!(answers[0], (StatusCode::UNAUTHORIZED, "invalid_token".into()));
    assert_eq!(answers.last().unwrap().0, StatusCode::TOO_MANY_REQUESTS);
    assert!(counted(&relay, "introspect", "key_refused").await >= 1.0);
    // The gateway itself is never rate limited, even at the same address.
    assert!(introspection(&relay, alice.reveal()).await.active);
    // An agent's own request still gets a response.
    let own = introspect(&relay, &alice, alice.reveal()).await;
    assert_eq!(own, json!({"active": true, "agent": "did:wba:localhost:agent:alice"}));
}

#[tokio::test]
async fn an_agent_is_told_whose_key_of_its_own_tenant_was_presented_and_of_no_other() {
    let relay = start_with(with_gateway).await;
    let (alice, bob) = (relay.agent_with_key("alice").await, relay.agent_with_key("bob").await);
    let neighbour = json!({"active": true, "agent": "did:wba:localhost:agent:bob"});
    assert_eq!(introspect(&relay, &alice, bob.reveal()).await, neighbour);

    let stranger = new_key();
    relay.put("tenants/acme", &TenantSpec::default()).await.unwrap();
    relay.put("tenants/acme/agents/carol", &agent_spec(&[(&stranger, None)])).await.unwrap();
    let nobody = json!({"active": false});
    assert_eq!(introspect(&relay, &alice, stranger.reveal()).await, nobody);
    assert_eq!(introspect(&relay, &alice, new_key().reveal()).await, nobody);
    let suspension = Suspension { suspended: true };
    relay.put("tenants/default/agents/bob/suspension", &suspension).await.unwrap();
    assert_eq!(introspect(&relay, &alice, bob.reveal()).await, nobody);
}

#[tokio::test]
async fn a_rotated_gateway_token_works_at_once_and_without_one_every_gateway_request_is_refused() {
    let mut file = None;
    let relay = start_with(|config, folder| {
        with_gateway(config, folder);
        file = Some(token_file(folder));
    })
    .await;
    let (alice, file) = (put_served(&relay, "alice", &[]).await, file.unwrap());
    std::fs::write(&file, "next").unwrap();
    assert_eq!(introspect_as(&relay, TOKEN, alice.reveal()).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(introspect_as(&relay, "next", alice.reveal()).await.status(), StatusCode::OK);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(introspect_as(&relay, "next", alice.reveal()).await.status(), StatusCode::UNAUTHORIZED);

    let relay = start().await;
    assert_eq!(introspect_as(&relay, TOKEN, alice.reveal()).await.status(), StatusCode::UNAUTHORIZED);
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
