//! Tests of deletions that retain: what agents and their senders see, and what a claim gives back.

use protocol::Reason;
use protocol::admin::{AgentSpec, AgentView, DeletionPolicy, TenantSpec, TenantView};
use protocol::api_key::ApiKey;
use protocol::close::CloseCode;
use protocol::frame::{
    DiscoverParams, DiscoverResult, LookupParams, LookupResult, Outcome, SendStatus, method,
};
use protocol::multikey::encode_ed25519;

use crate::agent::{Agent, did, identity};
use crate::harness::{TestRelay, agent_spec, new_key, start};

const BOB: &str = "tenants/default/agents/bob";

async fn retain(relay: &TestRelay, path: &str) {
    relay.delete(&format!("{path}?policy=retain")).await.unwrap();
}

async fn http_status(relay: &TestRelay, key: &ApiKey) -> u16 {
    let request = relay.client.get(format!("{}/ws", relay.url)).bearer_auth(key.reveal());
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_retained_agent_is_gone_for_everybody_and_a_claim_gives_its_mailbox_back() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    let (mut bob, key) = Agent::join(&relay, "bob").await;
    let root_key = encode_ed25519(&bob.identity.root_public());
    relay.put(&format!("{BOB}/suspension"), &serde_json::json!({"suspended": true})).await.unwrap();
    assert_eq!(bob.closed().await, CloseCode::Suspended.number());
    let waiting = alice.envelope(&bob.did);
    assert_eq!(alice.send(&waiting).await, Ok(SendStatus::Stored));

    retain(&relay, BOB).await;
    let view: AgentView = relay.get(BOB).await.unwrap();
    assert_eq!((view.owner, view.keys.len(), view.suspended, view.pending), (None, 0, true, 1));
    assert_eq!((&view.root_key, view.registered), (&Some(root_key.clone()), true));
    assert_eq!(http_status(&relay, &key).await, 401);
    // Nobody may ever read it, so that it is not stored.
    assert_eq!(alice.send(&alice.envelope(&bob.did)).await, Err(Reason::NotFound));
    let lookup = LookupParams { did: bob.did.clone() };
    let found = alice.call::<LookupResult>(method::LOOKUP, &lookup).await;
    assert_eq!(found.err(), Some(Reason::NotFound));
    let page: DiscoverResult = alice.call(method::DISCOVER, &DiscoverParams::default()).await.unwrap();
    assert!(page.agents.iter().all(|agent| agent.did != bob.did));
    let document = format!("{}{}", relay.url, bob.did.document_path());
    assert_eq!(relay.client.get(&document).send().await.unwrap().status(), 404);

    let relay = relay.restart().await;
    let new = new_key();
    let spec = AgentSpec { root_key: Some(root_key), ..agent_spec(&[(&new, None)]) };
    relay.put(BOB, &spec).await.unwrap();
    let mut bob = Agent::open(&relay, &new, bob.identity).await.unwrap();
    assert_eq!(bob.take(1).await, [waiting.id]);
    assert_eq!(
        relay.client.get(format!("{}{}", relay.url, bob.did.document_path())).send().await.unwrap().status(),
        200
    );
}

#[tokio::test]
async fn a_session_ends_before_the_deletion_is_answered() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    let (mut bob, _) = Agent::join(&relay, "bob").await;
    retain(&relay, BOB).await;
    assert_eq!(alice.send(&alice.ephemeral(&bob.did)).await, Err(Reason::NotFound));
    assert_eq!(bob.closed().await, CloseCode::CredentialRevoked.number());
}

#[tokio::test]
async fn a_claim_with_another_root_key_does_not_get_the_mailbox() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    let (bob, _) = Agent::join(&relay, "bob").await;
    drop(bob);
    crate::harness::eventually("bob is away", async || {
        (!relay.get::<AgentView>(BOB).await.unwrap().online).then_some(())
    })
    .await;
    let envelope = alice.envelope(&did("bob"));
    assert_eq!(alice.send(&envelope).await, Ok(SendStatus::Stored));
    retain(&relay, BOB).await;

    let (key, other) = (new_key(), identity(&did("bob")));
    let root_key = Some(encode_ed25519(&other.root_public()));
    relay.put(BOB, &AgentSpec { root_key, ..agent_spec(&[(&key, None)]) }).await.unwrap();
    let notice = alice.notice().await;
    assert_eq!((notice.id, notice.outcome), (envelope.id, Outcome::Dropped));
    let bob = Agent::open(&relay, &key, other).await.unwrap();
    assert_eq!(bob.registered.pending, 0);
}

#[tokio::test]
async fn the_recorded_policy_holds_unless_the_request_names_another() {
    let relay = start().await;
    let retained = AgentSpec { deletion_policy: Some(DeletionPolicy::Retain), ..AgentSpec::default() };
    relay.put(BOB, &retained).await.unwrap();
    let view: AgentView = relay.get(BOB).await.unwrap();
    assert_eq!(view.deletion_policy, Some(DeletionPolicy::Retain));
    let version = relay.delete(BOB).await.unwrap();
    assert_eq!(relay.delete(BOB).await.unwrap(), version, "it is deleted already");
    assert!(relay.get::<AgentView>(BOB).await.unwrap().suspended);
    relay.delete(&format!("{BOB}?policy=purge")).await.unwrap();
    assert_eq!(relay.get::<AgentView>(BOB).await.unwrap_err().reason, Reason::NotFound);
    for query in ["policy=keep", "polcy=retain"] {
        let refused = relay.delete(&format!("{BOB}?{query}")).await.unwrap_err();
        assert_eq!(refused.reason, Reason::InvalidParams, "{query}");
    }
}

#[tokio::test]
async fn a_retained_tenant_admits_nobody_and_comes_back_with_its_agents() {
    let relay = start().await;
    let retained = TenantSpec { deletion_policy: Some(DeletionPolicy::Retain), ..TenantSpec::default() };
    relay.put("tenants/acme", &retained).await.unwrap();
    let (key, spec) = (new_key(), TenantSpec { suspended: false, ..retained.clone() });
    relay.put("tenants/acme/agents/bob", &agent_spec(&[(&key, None)])).await.unwrap();
    relay.delete("tenants/acme").await.unwrap();
    assert_eq!(http_status(&relay, &key).await, 401);
    let view: TenantView = relay.get("tenants/acme").await.unwrap();
    assert_eq!((view.owner, view.agents, view.spec.suspended), (None, 0, true));
    let refused = relay.put("tenants/acme/agents/bob", &agent_spec(&[])).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotFound);

    relay.put("tenants/acme", &spec).await.unwrap();
    relay.put("tenants/acme/agents/bob", &agent_spec(&[(&key, None)])).await.unwrap();
    let view: TenantView = relay.get("tenants/acme").await.unwrap();
    assert_eq!((view.agents, view.spec), (1, spec));
}
