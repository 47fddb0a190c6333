//! Tests of a mailbox with a damaged page: the messages on it are dropped and their senders are
//! told, and all others are delivered.

use protocol::Envelope;
use protocol::frame::{Outcome, SendStatus};

use crate::agent::{Agent, did, identity};
use crate::harness::start;

// The same damage as in the tests of the message store.
#[path = "../../src/message_store/damaged_page.rs"]
mod page;

/// Bytes of a body of which a page holds one.
const BODY_BYTES: usize = 10_000;

#[tokio::test]
async fn a_message_on_a_damaged_page_is_dropped_and_the_others_are_delivered() {
    let relay = start().await;
    let (mut alice, alices_key) = Agent::join(&relay, "alice").await;
    let key = relay.agent_with_key("bob").await;
    let mut sent = Vec::new();
    for _ in 0..5 {
        let body = "A".repeat(BODY_BYTES);
        let envelope = Envelope { body, ..alice.envelope(&did("bob")) };
        assert_eq!(alice.send(&envelope).await, Ok(SendStatus::Stored));
        sent.push(envelope.id);
    }
    let lost = sent.remove(2);
    let id = lost.to_string();
    let relay = relay.restart_on(async |file| page::damage_page(file, id.as_bytes()).await).await;

    let mut bob = Agent::open(&relay, &key, identity(&did("bob"))).await.unwrap();
    assert_eq!(bob.take(sent.len()).await, sent);
    let mut alice = Agent::open(&relay, &alices_key, alice.identity).await.unwrap();
    let notice = alice.notice().await;
    assert_eq!((notice.id, notice.outcome), (lost, Outcome::Dropped));
    assert_eq!(relay.metric("msg2agent_relay_events_total{kind=\"unreadable\"}").await, Some(1.0));

    relay.agent_with_key("carol").await;
    let envelope = alice.envelope(&did("carol"));
    assert_eq!(alice.send(&envelope).await, Ok(SendStatus::Stored));
}
