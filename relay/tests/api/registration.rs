//! Tests of registration: which credential may register which agent, and what a connection may do
//! before it has registered.

use protocol::Reason;
use protocol::close::CloseCode;
use protocol::frame::{DiscoverParams, DiscoverResult};
use protocol::frame::{LookupParams, LookupResult, RegisterResult, SendStatus, method};

use crate::agent::{Agent, did, identity};
use crate::harness::start;

#[tokio::test]
async fn a_newer_session_replaces_the_older_and_gets_what_was_not_acknowledged() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    let (mut old, key) = Agent::join(&relay, "bob").await;
    let envelope = alice.envelope(&old.did);
    let sent = alice.submit(&envelope).await;
    old.delivery().await;
    let again = std::sync::Arc::clone(&old.identity);
    let mut new = Agent::open(&relay, &key, again).await.unwrap();
    assert!(new.registered.epoch > old.registered.epoch);
    assert_eq!(old.closed().await, CloseCode::Replaced.number());
    assert_eq!(new.take(1).await, [envelope.id]);
    alice.status(sent).await.unwrap();
    // The old connection has ended by now and must not have ended the new session.
    let after = alice.envelope(&new.did);
    alice.submit(&after).await;
    assert_eq!(new.take(1).await, [after.id]);
}

#[tokio::test]
async fn a_did_belongs_to_the_key_that_registered_it_first() {
    let relay = start().await;
    let (_alice, key) = Agent::join(&relay, "alice").await;
    let thief = Agent::open(&relay, &key, identity(&did("alice"))).await;
    assert_eq!(thief.err(), Some(Reason::KeyConflict));
}

#[tokio::test]
async fn a_key_of_one_agent_registers_no_other() {
    let relay = start().await;
    let key = relay.agent_with_key("alice").await;
    relay.agent_with_key("bob").await;
    let other = Agent::open(&relay, &key, identity(&did("bob"))).await;
    assert_eq!(other.err(), Some(Reason::Forbidden));
}

#[tokio::test]
async fn a_registration_is_valid_once_and_for_its_own_challenge() {
    let relay = start().await;
    let (mut alice, key) = Agent::join(&relay, "alice").await;
    let params = alice.registration().await.unwrap();
    alice.call::<RegisterResult>(method::REGISTER, &params).await.unwrap();
    let replayed = alice.call::<RegisterResult>(method::REGISTER, &params).await;
    assert_eq!(replayed, Err(Reason::ChallengeUnknown));

    let mut other = Agent::unregistered(&relay, &key, identity(&did("alice"))).await;
    other.registration().await.unwrap();
    let stolen = other.call::<RegisterResult>(method::REGISTER, &params).await;
    assert_eq!(stolen, Err(Reason::BadSignature), "the nonce of another connection");
}

#[tokio::test]
async fn an_unregistered_connection_can_only_register() {
    let relay = start().await;
    let (bob, _) = Agent::join(&relay, "bob").await;
    let key = relay.agent_with_key("alice").await;
    let mut alice = Agent::unregistered(&relay, &key, identity(&did("alice"))).await;
    assert_eq!(alice.send(&alice.envelope(&bob.did)).await, Err(Reason::NotRegistered));
    let lookup = alice.call::<LookupResult>(method::LOOKUP, &LookupParams { did: bob.did.clone() }).await;
    assert_eq!(lookup.err(), Some(Reason::NotRegistered));
    let discover = alice.call::<DiscoverResult>(method::DISCOVER, &DiscoverParams::default()).await;
    assert_eq!(discover.err(), Some(Reason::NotRegistered));
    alice.register().await.unwrap();
    assert!(alice.send(&alice.envelope(&bob.did)).await.is_ok());
}

#[tokio::test]
async fn agents_find_each_other_and_see_who_is_online() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    let (bob, _) = Agent::join(&relay, "bob").await;
    let page: DiscoverResult = alice.call(method::DISCOVER, &DiscoverParams::default()).await.unwrap();
    let found: Vec<_> = page.agents.iter().map(|found| (found.did.clone(), found.online)).collect();
    assert_eq!(found, [(alice.did.clone(), true), (bob.did.clone(), true)]);
    let bobs = LookupParams { did: bob.did.clone() };
    let looked_up: LookupResult = alice.call(method::LOOKUP, &bobs).await.unwrap();
    assert!(looked_up.online);
    let record = protocol::base64url::decode(&looked_up.record).unwrap();
    protocol::record::VerifiedRecord::parse(&record, &bob.did).unwrap();
    drop(bob);
    crate::harness::eventually("bob is seen to be away", async || {
        let found: LookupResult = alice.call(method::LOOKUP, &bobs).await.unwrap();
        (!found.online).then_some(())
    })
    .await;
    let nobody = LookupParams { did: did("nobody") };
    assert_eq!(alice.call::<LookupResult>(method::LOOKUP, &nobody).await.err(), Some(Reason::NotFound));
}

#[tokio::test]
async fn a_record_that_is_refused_is_told_what_is_wrong_with_it() {
    let relay = start().await;
    let key = relay.agent_with_key("alice").await;
    let mut alice = Agent::unregistered(&relay, &key, identity(&did("alice"))).await;
    let mut refused = async |change: &dyn Fn(&mut serde_json::Value)| {
        let mut params = alice.registration().await.unwrap();
        let bytes = protocol::base64url::decode(&params.record).unwrap();
        let mut record: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        change(&mut record);
        params.record = protocol::base64url::encode(record.to_string().as_bytes());
        let id = alice.request(method::REGISTER, &params).await;
        let error = alice.answer(id).await.unwrap_err();
        assert_eq!(error.data.reason, Reason::BadRecord);
        error.message
    };
    let long = refused(&|record| record["card"]["name"] = "x".repeat(129).into()).await;
    assert!(long.contains("the card's name has at most 128 bytes"), "{long}");
    let unknown = refused(&|record| record["card"]["mood"] = "good".into()).await;
    assert!(unknown.contains("unknown field `mood`"), "{unknown}");
    let other =
        refused(&|record| record["document"]["proof"]["created"] = "2026-01-01T00:00:00Z".into()).await;
    assert!(other.contains("the DID document is not valid"), "{other}");
    let quoted = refused(&|record| record["card"]["y".repeat(5_000)] = 1.into()).await;
    assert!(quoted.len() < 500, "{} bytes", quoted.len());
}

#[tokio::test]
async fn a_record_from_the_future_is_refused_and_locks_nobody_out() {
    let relay = start().await;
    let key = relay.agent_with_key("alice").await;
    let mut alice = Agent::unregistered(&relay, &key, identity(&did("alice"))).await;
    let ahead = alice.registration_at(crate::agent::now() + 3_600).await.unwrap();
    let refused = alice.call::<RegisterResult>(method::REGISTER, &ahead).await;
    assert_eq!(refused, Err(Reason::RecordInFuture));
    alice.register().await.unwrap();
}

#[tokio::test]
async fn a_session_is_told_its_limits_and_the_relays_time() {
    let relay = start().await;
    let (alice, _) = Agent::join(&relay, "alice").await;
    let limits = alice.registered.limits;
    assert_eq!((limits.window_messages, limits.window_bytes), (256, 1 << 20));
    assert_eq!((limits.queries_per_second, limits.queries_burst), (20, 100));
    assert_eq!(limits.envelope_bytes, 1_047_552);
    assert!(alice.registered.time.is_some_and(|time| time.abs_diff(crate::agent::now()) < 60));
}

#[tokio::test]
async fn a_revoked_key_ends_the_session_at_once() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    let (mut bob, _) = Agent::join(&relay, "bob").await;
    relay.put("tenants/default/agents/bob", &crate::harness::agent_spec(&[])).await.unwrap();
    // The admin API has answered, so the session is closed and gets nothing more.
    assert_eq!(alice.send(&alice.ephemeral(&bob.did)).await, Err(Reason::RecipientOffline));
    assert_eq!(bob.closed().await, CloseCode::CredentialRevoked.number());
    assert_eq!(alice.send(&alice.envelope(&bob.did)).await, Ok(SendStatus::Stored));
}

#[tokio::test]
async fn a_removed_agent_loses_access_and_its_senders_get_a_notice() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    relay.agent_with_key("bob").await;
    let envelope = alice.envelope(&did("bob"));
    assert_eq!(alice.send(&envelope).await, Ok(SendStatus::Stored));
    relay.delete("tenants/default/agents/bob").await.unwrap();
    let notice = alice.notice().await;
    assert_eq!((notice.id, notice.outcome), (envelope.id, protocol::frame::Outcome::Dropped));
    assert!(notice.seq > 0, "kept until acknowledged");
    assert_eq!(alice.send(&alice.envelope(&did("bob"))).await, Err(Reason::NotFound));
}
