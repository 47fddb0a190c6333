//! Tests the gateway between a real relay, real endpoints and several callers.

use devtools::eventually::eventually;
use devtools::gateway_site::GatewaySite;
use devtools::http_client;
use msg2agent_tests::browser::{Browser, Decision};
use msg2agent_tests::oauth_client::OauthClient;
use serde_json::{Value, json};

use crate::doctor::{examine_at, faults};

mod restart;
mod two_callers;

/// The structured answer of a tool.
async fn call(site: &GatewaySite, credential: &str, tool: &str, arguments: Value) -> Value {
    let answer = site.gateways[0].call(credential, tool, arguments).await.unwrap();
    let structured = answer["result"]["structuredContent"].clone();
    assert!(structured.is_object(), "{tool}: {answer}");
    structured
}

fn key(site: &GatewaySite, agent: usize) -> &str {
    site.agents[agent].key.reveal()
}

/// Why the gateway itself refuses, and when to try again.
async fn refused(site: &GatewaySite, credential: &str) -> (u16, Value) {
    let params = json!({"name": "get_self_info", "arguments": {}});
    let request = site.gateways[0].request(&http_client::new().unwrap(), credential, "tools/call", params);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default()["reason"].clone())
}

#[tokio::test]
async fn one_url_is_each_agent_to_its_own_key() {
    let site = GatewaySite::start(&["alice", "bob"], 1).await.unwrap();
    for (agent, name) in ["alice", "bob"].into_iter().enumerate() {
        let me = call(&site, key(&site, agent), "get_self_info", json!({})).await;
        assert_eq!(me["did"], format!("did:wba:relay.test:agent:acme:{name}"), "{me}");
    }
    let sent =
        call(&site, key(&site, 0), "send_message", json!({"to": "bob", "text": "through one gateway"})).await;
    let listed = call(&site, key(&site, 1), "list_messages", json!({"wait_seconds": 20})).await;
    assert_eq!(listed["messages"][0]["id"], sent["id"], "{listed}");
}

#[tokio::test]
async fn a_key_that_was_taken_back_and_a_suspended_agent_are_refused_with_their_reasons() {
    let site = GatewaySite::start(&["alice", "bob"], 1).await.unwrap();
    let admin = site.relay.admin().unwrap();
    let limit = std::time::Duration::from_secs(30);
    for agent in [0, 1] {
        call(&site, key(&site, agent), "get_self_info", json!({})).await;
    }
    admin.suspend(&site.agents[0].identity, true).await.unwrap();
    admin.delete_agent(&site.agents[1].identity).await.unwrap();
    for (agent, wanted) in [(0, (403, json!("suspended"))), (1, (401, json!("key_unknown")))] {
        let credential = key(&site, agent);
        eventually("the gateway has heard of it", limit, async || {
            let found = refused(&site, credential).await;
            anyhow::ensure!(found == wanted, "{found:?}");
            Ok(())
        })
        .await
        .unwrap();
    }
    admin.suspend(&site.agents[0].identity, false).await.unwrap();
    let me = call(&site, key(&site, 0), "get_self_info", json!({})).await;
    assert_eq!(me["did"], site.agents[0].identity.did().as_str());
    let tenants = admin.make_tenant_key("acme").await.unwrap();
    assert_eq!(refused(&site, tenants.reveal()).await, (403, json!("key_of_a_tenant")));
}

#[tokio::test]
async fn a_person_signs_in_at_the_gateway_and_is_the_invited_agent_there_and_nowhere_else() {
    let site = GatewaySite::start(&["alice", "bob"], 1).await.unwrap();
    let invitation = site.relay.admin().unwrap().invite(&site.agents[1].identity).await.unwrap().code;
    let client = OauthClient::register(http_client::new().unwrap(), &site.url).await.unwrap();
    let mut browser = Browser::new().unwrap();
    let url = client.authorization_url().unwrap();
    let callback = browser.decide(&url, &invitation, Decision::Allow).await.unwrap();
    let answer = client.exchange(&callback).await.unwrap();
    let token = answer.text("access_token").unwrap();
    let me = call(&site, token, "get_self_info", json!({})).await;
    assert_eq!(me["did"], site.agents[1].identity.did().as_str());

    let refreshed = client.refresh(answer.text("refresh_token").unwrap()).await.unwrap();
    let me = call(&site, refreshed.text("access_token").unwrap(), "get_self_info", json!({})).await;
    assert_eq!(me["did"], site.agents[1].identity.did().as_str());

    // Alice's own endpoint takes no token that speaks for Bob.
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let request = http_client::new().unwrap().post(&site.agents[0].url).bearer_auth(token).json(&hello);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["reason"], "token_wrong_agent", "{answer}");
}

#[tokio::test]
async fn while_the_relay_restarts_the_gateway_still_reaches_the_inbox() {
    let mut site = GatewaySite::start(&["alice"], 1).await.unwrap();
    call(&site, key(&site, 0), "message_count", json!({})).await;
    site.relay.kill().await.unwrap();
    // Longer than what the gateway heard is fresh.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    call(&site, key(&site, 0), "message_count", json!({})).await;
    site.relay.restart().await.unwrap();
    let me = call(&site, key(&site, 0), "get_self_info", json!({})).await;
    assert_eq!(me["did"], site.agents[0].identity.did().as_str());
}

#[tokio::test]
async fn the_doctor_walks_through_the_gateway_and_names_what_stops_there() {
    let mut site = GatewaySite::start(&["alice"], 1).await.unwrap();
    let credential = key(&site, 0).to_owned();
    let report = examine_at(&site.url, &credential, None).await;
    assert_eq!(report["works"], true, "{report:#}");

    let alice = site.agents.remove(0);
    alice.process.end().await.unwrap();
    let report = examine_at(&site.url, &credential, None).await;
    let seen = faults(&report);
    assert!(
        seen.iter().any(|fault| fault.1 == "endpoint" && fault.2.contains("endpoint_unreachable")),
        "{report:#}"
    );
    site.relay.admin().unwrap().suspend(&alice.identity, true).await.unwrap();
    eventually("the suspension is named", std::time::Duration::from_secs(30), async || {
        let report = examine_at(&site.url, &credential, None).await;
        let named = faults(&report).iter().any(|fault| fault.1 == "relay" && fault.2.contains("suspended"));
        anyhow::ensure!(named, "{report:#}");
        Ok(())
    })
    .await
    .unwrap();
}
