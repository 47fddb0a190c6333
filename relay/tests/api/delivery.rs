//! Tests of delivery between two agents: live, stored, in order, and once.

use protocol::Reason;
use protocol::envelope::MessageId;
use protocol::frame::{Outcome, SendStatus, method};
use tokio::io::AsyncWriteExt as _;

use crate::agent::{Agent, did};
use crate::harness::{TestRelay, eventually, start, start_with};

async fn pair(relay: &TestRelay) -> (Agent, Agent) {
    (Agent::join(relay, "alice").await.0, Agent::join(relay, "bob").await.0)
}

#[tokio::test]
async fn a_message_is_delivered_when_its_recipient_acknowledges() {
    let relay = start().await;
    let (mut alice, mut bob) = pair(&relay).await;
    let envelope = alice.envelope(&bob.did);
    let sent = alice.submit(&envelope).await;
    let delivery = bob.delivery().await;
    assert_eq!((delivery.seq, delivery.envelope), (1, envelope));
    bob.ack(1).await;
    assert_eq!(alice.status(sent).await, Ok(SendStatus::Delivered));
}

#[tokio::test]
async fn a_message_to_a_slow_recipient_is_stored_and_a_notice_follows() {
    let relay = start().await;
    let (mut alice, mut bob) = pair(&relay).await;
    let envelope = alice.envelope(&bob.did);
    assert_eq!(alice.send(&envelope).await, Ok(SendStatus::Stored));
    bob.take(1).await;
    let notice = alice.notice().await;
    assert_eq!((notice.id, notice.outcome, notice.seq), (envelope.id, Outcome::Delivered, 0));
    eventually("an empty mailbox", async || {
        (relay.metric("msg2agent_relay_mailbox_messages").await == Some(0.0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn messages_to_an_offline_agent_wait_for_it_in_order() {
    let relay = start().await;
    let (mut alice, bob) = pair(&relay).await;
    let key = relay.agent_with_key("carol").await;
    drop(bob);
    let carol = did("carol");
    let mut sent = Vec::new();
    for _ in 0..20 {
        let envelope = alice.envelope(&carol);
        assert_eq!(alice.send(&envelope).await, Ok(SendStatus::Stored));
        sent.push(envelope.id);
    }
    let mut carol = Agent::open(&relay, &key, crate::agent::identity(&carol)).await.unwrap();
    assert_eq!(carol.registered.pending, 20);
    assert_eq!(carol.take(20).await, sent);
}

#[tokio::test]
async fn order_holds_while_the_recipient_comes_and_goes() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    let (mut bob, key) = Agent::join(&relay, "bob").await;
    let (mut sent, mut seen): (Vec<MessageId>, Vec<MessageId>) = (Vec::new(), Vec::new());
    for round in 0..4 {
        let mut requests = Vec::new();
        for _ in 0..30 {
            let envelope = alice.envelope(&bob.did);
            sent.push(envelope.id);
            requests.push(alice.submit(&envelope).await);
        }
        // Some are acknowledged; the others are delivered again in the next session.
        seen.extend(bob.take(10 + round).await);
        bob = Agent::open(&relay, &key, bob.identity).await.unwrap();
        for request in requests {
            alice.status(request).await.unwrap();
        }
    }
    while seen.last() != sent.last() {
        seen.extend(bob.take(1).await);
    }
    let mut once = Vec::new();
    for id in seen {
        if !once.contains(&id) {
            once.push(id);
        }
    }
    assert_eq!(once, sent);
}

#[tokio::test]
async fn the_same_message_again_gets_the_same_answer_and_is_not_delivered_twice() {
    let relay = start().await;
    let (mut alice, mut bob) = pair(&relay).await;
    let envelope = alice.envelope(&bob.did);
    let first = alice.submit(&envelope).await;
    bob.take(1).await;
    assert_eq!(alice.status(first).await, Ok(SendStatus::Delivered));
    assert_eq!(alice.send(&envelope).await, Ok(SendStatus::Delivered));
    let mut other = envelope.clone();
    other.body = "b3RoZXI".into();
    assert_eq!(alice.send(&other).await, Err(Reason::DuplicateId));
    let after = alice.envelope(&bob.did);
    alice.submit(&after).await;
    assert_eq!(bob.take(1).await, [after.id]);
}

#[tokio::test]
async fn an_ephemeral_message_reaches_a_connected_agent_only() {
    let relay = start().await;
    let (mut alice, mut bob) = pair(&relay).await;
    let envelope = alice.ephemeral(&bob.did);
    assert_eq!(alice.send(&envelope).await, Ok(SendStatus::Forwarded));
    assert_eq!(bob.take(1).await, [envelope.id]);
    relay.agent_with_key("carol").await;
    assert_eq!(alice.send(&alice.ephemeral(&did("carol"))).await, Err(Reason::RecipientOffline));
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_with_its_reason() {
    let relay = start().await;
    let (mut alice, bob) = pair(&relay).await;
    let mut from_other = alice.envelope(&bob.did);
    from_other.from = bob.did.clone();
    let mut no_ttl = alice.envelope(&bob.did);
    no_ttl.ttl = None;
    let mut long_ttl = alice.envelope(&bob.did);
    long_ttl.ttl = Some(604_801);
    for (envelope, reason) in [
        (from_other, Reason::FromMismatch),
        (no_ttl, Reason::InvalidTtl),
        (long_ttl, Reason::InvalidTtl),
        (alice.envelope(&did("nobody")), Reason::NotFound),
    ] {
        assert_eq!(alice.send(&envelope).await, Err(reason));
    }
    let mut extra = serde_json::to_value(alice.envelope(&bob.did)).unwrap();
    extra["extra"] = 1.into();
    let refused = alice.call::<serde_json::Value>(method::SEND, &extra).await;
    assert_eq!(refused, Err(Reason::InvalidParams));
}

#[tokio::test]
async fn a_message_to_a_full_mailbox_is_refused() {
    let relay = start_with(|config, _| config.limits.mailbox_messages = 3).await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    relay.agent_with_key("bob").await;
    for _ in 0..3 {
        assert_eq!(alice.send(&alice.envelope(&did("bob"))).await, Ok(SendStatus::Stored));
    }
    assert_eq!(alice.send(&alice.envelope(&did("bob"))).await, Err(Reason::MailboxFull));
}

#[tokio::test]
async fn a_sender_above_its_rate_is_refused_with_a_time_to_retry() {
    let relay = start_with(|config, _| {
        config.limits.sends_per_second = 1;
        config.limits.sends_burst = 2;
    })
    .await;
    let (mut alice, _bob) = pair(&relay).await;
    let mut waits = Vec::new();
    for _ in 0..3 {
        let request = alice.submit(&alice.ephemeral(&did("bob"))).await;
        waits.push(alice.answer(request).await.map_err(|error| error.data));
    }
    let refused = waits.pop().unwrap().unwrap_err();
    assert_eq!(refused.reason, Reason::RateLimited);
    assert!((1..=1000).contains(&refused.retry_after_ms.unwrap()), "{refused:?}");
    assert!(waits.iter().all(Result::is_ok));
}

/// The recipient reads nothing while 600 messages arrive, which is more than two windows. No
/// message is lost, and memory stays small.
#[tokio::test]
async fn a_recipient_that_stops_reading_gets_everything_from_its_mailbox_later() {
    let relay = start_with(|config, _| config.limits.sends_burst = 2_000).await;
    let (mut alice, mut bob) = pair(&relay).await;
    let mut sent = Vec::new();
    for _ in 0..600 {
        let envelope = alice.envelope(&bob.did);
        sent.push(envelope.id);
        alice.submit(&envelope).await;
    }
    for request in 1..=600 {
        // The first two requests of this connection registered the agent.
        assert_eq!(alice.status(request + 2).await, Ok(SendStatus::Stored));
    }
    assert_eq!(bob.take(600).await, sent);
    let backlog = relay.metric("msg2agent_relay_events_total{kind=\"backlog\"}").await;
    assert!(backlog.is_some_and(|count| count >= 1.0), "{backlog:?}");
}

/// The connection breaks in the middle of a frame, without a close frame.
#[tokio::test]
async fn a_connection_that_breaks_within_a_frame_loses_no_message() {
    let relay = start().await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    let (mut bob, key) = Agent::join(&relay, "bob").await;
    let envelope = alice.envelope(&bob.did);
    let sent = alice.submit(&envelope).await;
    bob.delivery().await;
    let (identity, mut stream) = (bob.identity, bob.socket.into_inner());
    stream.write_all(&[0x81, 0xfe, 0x01, 0x00, 1, 2, 3, 4, b'{']).await.unwrap();
    drop(stream);
    assert_eq!(alice.status(sent).await, Ok(SendStatus::Stored));
    let mut bob = Agent::open(&relay, &key, identity).await.unwrap();
    assert_eq!(bob.take(1).await, [envelope.id]);
}
