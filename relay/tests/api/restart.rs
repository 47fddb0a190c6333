//! Tests of a restart: stored messages survive it.

use protocol::close::CloseCode;
use protocol::frame::SendStatus;

use crate::agent::{Agent, did, identity};
use crate::harness::{start, start_with};

#[tokio::test]
async fn a_thousand_stored_messages_survive_a_restart_once_and_in_order() {
    let relay = start_with(|config, _| config.limits.sends_burst = 2_000).await;
    let (mut alice, alices_key) = Agent::join(&relay, "alice").await;
    let key = relay.agent_with_key("bob").await;
    let mut sent = Vec::new();
    for _ in 0..1_000 {
        let envelope = alice.envelope(&did("bob"));
        sent.push(envelope.clone());
        alice.submit(&envelope).await;
    }
    for request in 1..=1_000 {
        assert_eq!(alice.status(request + 2).await, Ok(SendStatus::Stored));
    }
    let relay = relay.restart().await;
    assert_eq!(alice.closed().await, CloseCode::Restart.number());
    let mut bob = Agent::open(&relay, &key, identity(&did("bob"))).await.unwrap();
    assert_eq!(bob.registered.pending, 1_000);
    let ids: Vec<_> = sent.iter().map(|envelope| envelope.id).collect();
    assert_eq!(bob.take(1_000).await, ids);

    let mut alice = Agent::open(&relay, &alices_key, alice.identity).await.unwrap();
    let again = sent.first().unwrap();
    assert_eq!(alice.send(again).await, Ok(SendStatus::Stored), "remembered over the restart");
    let new = alice.envelope(&did("bob"));
    alice.submit(&new).await;
    assert_eq!(bob.take(1).await, [new.id], "and not delivered again");
}

#[tokio::test]
async fn a_message_in_flight_at_shutdown_is_stored_first() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    let (mut bob, key) = Agent::join(&relay, "bob").await;
    let envelope = alice.envelope(&bob.did);
    let sent = alice.submit(&envelope).await;
    bob.delivery().await;
    relay.begin_shutdown();
    assert_eq!(alice.status(sent).await, Ok(SendStatus::Stored));
    assert_eq!(bob.closed().await, CloseCode::Restart.number());
    let relay = relay.restart().await;
    let mut bob = Agent::open(&relay, &key, bob.identity).await.unwrap();
    assert_eq!(bob.take(1).await, [envelope.id]);
}
