//! Revocation by the client, by the admin, and by a suspension.

use protocol::admin::{AgentSpec, InvitationView, McpSpec, Page, TenantSpec, Version};
use reqwest::StatusCode;
use serde_json::Value;

use super::person::*;
use crate::harness::{agent_spec, new_key, start};

#[tokio::test]
async fn a_client_gives_back_either_token_and_the_grant_ends() {
    let relay = start().await;
    let key = put_alice(&relay, &[]).await;
    for give_access in [true, false] {
        let connected = connect(&relay).await;
        let token = if give_access { &connected.access } else { &connected.refresh };
        let form = [("token", token.as_str()), ("client_id", &connected.client_id)];
        assert_eq!(post_form(&relay, "/oauth/revoke", &form).await.status(), StatusCode::OK);
        assert_eq!(introspect(&relay, &key, &connected.access).await["active"], false);
        assert_eq!(refresh_error(&relay, &connected).await.as_deref(), Some("invalid_grant"));
    }
}

#[tokio::test]
async fn another_clients_token_and_nonsense_are_answered_alike_and_change_nothing() {
    let relay = start().await;
    let key = put_alice(&relay, &[]).await;
    let connected = connect(&relay).await;
    let other = register(&relay).await;
    for token in [connected.access.as_str(), &connected.refresh, "nonsense"] {
        let answer = post_form(&relay, "/oauth/revoke", &[("token", token), ("client_id", &other)]).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    assert_eq!(introspect(&relay, &key, &connected.access).await["active"], true);
}

#[tokio::test]
async fn a_suspended_tenant_is_inactive_until_it_is_not() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let connected = connect(&relay).await;
    let suspended = TenantSpec { suspended: true, ..TenantSpec::default() };
    relay.put("tenants/default", &suspended).await.unwrap();
    assert_eq!(refresh_error(&relay, &connected).await.as_deref(), Some("invalid_grant"));
    assert!(counted(&relay, "token", "suspended").await >= 1.0);
    let answer = answer_of(&Person::new(&relay).authorize(&request(&connected.client_id, &[])).await);
    assert_eq!(answer["error"], "access_denied");
    relay.put("tenants/default", &TenantSpec::default()).await.unwrap();
    assert_eq!(refresh_error(&relay, &connected).await, None);
}

#[tokio::test]
async fn a_withdrawn_invitation_takes_its_account_with_it() {
    let relay = start().await;
    let key = put_alice(&relay, &[]).await;
    let connected = connect(&relay).await;
    let page: Page<InvitationView> = relay.get("tenants/default/invitations").await.unwrap();
    assert!(page.items[0].used);
    let before: Version = relay.get("version").await.unwrap();
    let path = format!("tenants/default/invitations/{}", page.items[0].id);
    assert_eq!(relay.delete(&path).await.unwrap(), before.version);
    assert_eq!(relay.delete(&path).await.unwrap(), before.version);
    assert_eq!(introspect(&relay, &key, &connected.access).await["active"], false);
    assert_eq!(refresh_error(&relay, &connected).await.as_deref(), Some("invalid_grant"));
}

#[tokio::test]
async fn a_moved_or_removed_endpoint_revokes_its_grants() {
    let relay = start().await;
    let key = put_alice(&relay, &[]).await;
    let connected = connect(&relay).await;
    let moved = McpSpec { url: "https://mcp.example/moved".into(), accounts: vec![], endpoint: None };
    relay.put("tenants/default/agents/alice/mcp", &moved).await.unwrap();
    assert_eq!(introspect(&relay, &key, &connected.access).await["active"], false);
    assert_eq!(refresh_error(&relay, &connected).await.as_deref(), Some("invalid_grant"));
    relay.delete("tenants/default/agents/alice/mcp").await.unwrap();
    let gone = relay.get::<McpSpec>("tenants/default/agents/alice/mcp").await.unwrap_err();
    assert_eq!(gone.reason, protocol::Reason::NotFound);
}

#[tokio::test]
async fn a_removed_endpoint_loses_its_grants_for_good() {
    let relay = start().await;
    let key = new_key();
    let mcp = McpSpec { url: RESOURCE.into(), accounts: vec![], endpoint: None };
    let with = AgentSpec { mcp: Some(mcp.clone()), ..agent_spec(&[(&key, None)]) };
    relay.put("tenants/default/agents/alice", &with).await.unwrap();
    assert_eq!(relay.get::<McpSpec>("tenants/default/agents/alice/mcp").await.unwrap(), mcp);
    let connected = connect(&relay).await;
    assert_eq!(introspect(&relay, &key, &connected.access).await["active"], true);
    relay.put("tenants/default/agents/alice", &with).await.unwrap();
    assert_eq!(introspect(&relay, &key, &connected.access).await["active"], true, "declared again");

    let without = AgentSpec { mcp: None, ..with.clone() };
    relay.put("tenants/default/agents/alice", &without).await.unwrap();
    for spec in [&without, &with] {
        relay.put("tenants/default/agents/alice", spec).await.unwrap();
        assert_eq!(introspect(&relay, &key, &connected.access).await["active"], false);
        assert_eq!(refresh_error(&relay, &connected).await.as_deref(), Some("invalid_grant"));
    }
    assert!(counted(&relay, "token", "refresh_unknown").await >= 2.0);
}

#[tokio::test]
async fn an_agent_learns_about_its_own_tokens_only() {
    let relay = start().await;
    let alice = put_alice(&relay, &[]).await;
    let bob = relay.agent_with_key("bob").await;
    let connected = connect(&relay).await;
    assert_eq!(introspect(&relay, &alice, &connected.access).await["active"], true);
    assert_eq!(introspect(&relay, &bob, &connected.access).await, serde_json::json!({"active": false}));
    let answer = post_form(&relay, "/oauth/introspect", &[("token", connected.access.as_str())]).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"], "invalid_token");
}
