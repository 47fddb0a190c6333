//! Everything that makes a gateway token inactive, and the reasons that the gateway gets.

use protocol::admin::{Suspension, TenantSpec};
use protocol::introspection::Inactive;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::gateway::*;
use super::gateway_choice::{access, ann_signs_in, start_for_ann, tokens};
use super::person::*;
use crate::harness::{TestRelay, start_with};

const ALICE: &str = "did:wba:localhost:agent:alice";

/// A client that a person with an invitation allowed to use alice through the gateway.
async fn connect_through_gateway(relay: &TestRelay) -> Connected {
    let client_id = register(relay).await;
    let invitation = invite(relay, None).await;
    let mut person = Person::new(relay);
    let page = person.sign_in(&at_gateway(&client_id), &invitation.code).await;
    let tokens = tokens(relay, &client_id, &person.decide_for(&page, "allow", Some(ALICE)).await).await;
    let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
    Connected { client_id, access: access(&tokens).to_owned(), refresh }
}

async fn refreshed(relay: &TestRelay, connected: &Connected) -> (StatusCode, Value) {
    refresh(relay, &connected.client_id, &connected.refresh).await
}

#[tokio::test]
async fn a_token_is_inactive_exactly_while_its_agent_is_suspended() {
    let relay = start_with(with_gateway).await;
    put_served(&relay, "alice", &[]).await;
    let connected = connect_through_gateway(&relay).await;
    assert!(introspection(&relay, &connected.access).await.active);
    for (path, agent) in [("tenants/default/agents/alice/suspension", true), ("tenants/default", false)] {
        for suspended in [true, false] {
            let tenant = TenantSpec { suspended, ..TenantSpec::default() };
            let body = if agent { json!(Suspension { suspended }) } else { json!(tenant) };
            relay.put(path, &body).await.unwrap();
            let reason = introspection(&relay, &connected.access).await.reason;
            assert_eq!(reason, suspended.then_some(Inactive::Suspended));
        }
    }
    let (status, next) = refreshed(&relay, &connected).await;
    assert_eq!(status, StatusCode::OK, "{next}");
    let introspection = introspect_as_gateway(&relay, next["access_token"].as_str().unwrap()).await;
    assert_eq!(
        (&introspection["active"], &introspection["agent"], &introspection["aud"]),
        (&json!(true), &json!(ALICE), &json!(GATEWAY))
    );
}

#[tokio::test]
async fn a_person_who_is_taken_off_the_list_has_no_token_any_more() {
    let (relay, _provider) = start_for_ann().await;
    put_served(&relay, "alice", &["ann@example.com"]).await;
    let client_id = register(&relay).await;
    let mut person = Person::new(&relay);
    let page = ann_signs_in(&mut person, &client_id).await;
    let tokens = tokens(&relay, &client_id, &person.decide_for(&page, "allow", Some(ALICE)).await).await;
    put_mcp(&relay, "alice", &[], Some(endpoint_of("alice"))).await;
    assert_eq!(reason(&relay, access(&tokens)).await, "not_invited");
    let (status, body) = refresh(&relay, &client_id, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &"invalid_grant".into()));
    assert!(counted(&relay, "token", "not_invited").await >= 1.0);
}

#[tokio::test]
async fn an_agent_that_the_gateway_stops_serving_loses_its_grants_for_good() {
    let relay = start_with(with_gateway).await;
    put_served(&relay, "alice", &[]).await;
    let connected = connect_through_gateway(&relay).await;
    // The gateway still finds the agent when its endpoint and its own URL change.
    put_mcp(&relay, "alice", &[], Some("https://moved.svc/mcp".into())).await;
    assert_eq!(
        introspection(&relay, &connected.access).await.endpoint.as_deref(),
        Some("https://moved.svc/mcp")
    );
    put_mcp(&relay, "alice", &[], None).await;
    assert_eq!(reason(&relay, &connected.access).await, "grant_revoked");
    put_mcp(&relay, "alice", &[], Some(endpoint_of("alice"))).await;
    assert_eq!(reason(&relay, &connected.access).await, "grant_revoked");
    assert_eq!(refreshed(&relay, &connected).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn a_grant_ends_with_its_client_its_invitation_and_its_agent() {
    let relay = start_with(with_gateway).await;
    put_served(&relay, "alice", &[]).await;
    let given_back = connect_through_gateway(&relay).await;
    let form = [("token", given_back.refresh.as_str()), ("client_id", &given_back.client_id)];
    assert_eq!(post_form(&relay, "/oauth/revoke", &form).await.status(), StatusCode::OK);
    assert_eq!(reason(&relay, &given_back.access).await, "grant_revoked");

    let invited = connect_through_gateway(&relay).await;
    let removed = connect_through_gateway(&relay).await;
    let listed: Value = relay.get("tenants/default/invitations").await.unwrap();
    for invitation in listed["items"].as_array().unwrap() {
        let path = format!("tenants/default/invitations/{}", invitation["id"].as_str().unwrap());
        relay.delete(&path).await.unwrap();
    }
    assert_eq!(reason(&relay, &invited.access).await, "grant_revoked");
    relay.delete("tenants/default/agents/alice").await.unwrap();
    put_served(&relay, "alice", &[]).await;
    assert_eq!(reason(&relay, &removed.access).await, "grant_revoked");
}

#[tokio::test]
async fn a_removed_or_moved_gateway_loses_its_grants_for_good() {
    let relay = start_with(with_gateway).await;
    put_served(&relay, "alice", &[]).await;
    let connected = connect_through_gateway(&relay).await;
    // A restart alone revokes nothing.
    let relay = relay.restart_with(with_gateway).await;
    assert!(introspection(&relay, &connected.access).await.active);

    let relay = relay
        .restart_with(|config, folder| {
            with_gateway(config, folder);
            config.oauth.gateway.as_mut().unwrap().url = "https://other.example/mcp".into();
        })
        .await;
    assert_eq!(reason(&relay, &connected.access).await, "token_wrong_audience");
    assert_eq!(refreshed(&relay, &connected).await.1["error"], "invalid_grant");
    let client_id = register(&relay).await;
    let former = Person::new(&relay).authorize(&at_gateway(&client_id)).await;
    assert_eq!(answer_of(&former)["error"], "invalid_target");
    let relay = relay.restart_with(with_gateway).await;
    assert_eq!(reason(&relay, &connected.access).await, "grant_revoked");
}

#[tokio::test]
async fn a_token_for_another_audience_is_inactive_at_the_gateway() {
    let relay = start_with(with_gateway).await;
    put_served(&relay, "alice", &[]).await;
    let own = connect(&relay).await;
    assert_eq!(reason(&relay, &own.access).await, "token_wrong_audience");
    let through = connect_through_gateway(&relay).await;
    let (signed, signature) = through.access.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed}.{}", signature.replacen(|_: char| true, other, 1));
    assert_eq!(reason(&relay, &forged).await, "token_bad_signature");
    assert_eq!(reason(&relay, "a.b.c").await, "token_malformed");
    // A gateway token is refused if a client asks for another resource (RFC 8707).
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", through.client_id.as_str()),
        ("refresh_token", &through.refresh),
        ("resource", RESOURCE),
    ];
    assert_eq!(token(&relay, &form).await.1["error"], "invalid_target");
}

#[tokio::test]
async fn the_connector_file_names_the_gateway() {
    let relay = start_with(with_gateway).await;
    let answer =
        relay.client.get(format!("{}/.well-known/mcp-connector.json", relay.url)).send().await.unwrap();
    let connector: Value = answer.json().await.unwrap();
    assert_eq!(connector["url"], GATEWAY);
    assert!(connector["description"].as_str().unwrap().contains("you choose your agent"));
}
