//! Tests promise 2: a message that was answered `stored` or `delivered` survives the death of the
//! relay.

use std::time::Duration;

use devtools::relay_process::RelayProcess;
use msg2agent::{Agent, Content, Inbox, Message, SendStatus};

use crate::agents::{TENANT, declare, pair, relay};

/// Longest wait for one message; loopback, so only a lost one takes it.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
const MESSAGES: usize = 1000;

#[tokio::test]
async fn a_thousand_stored_messages_survive_sigkill_once_and_in_order() {
    let mut relay = relay().await;
    let bob = known_but_away(&relay, "bob").await;
    let alice = declare(&relay, TENANT, "alice").await.connect(&relay).await;
    send_numbered(&alice, bob.identity().did(), MESSAGES).await;
    relay.kill().await.unwrap();
    relay.restart().await.unwrap();

    let bob = bob.connect(&relay).await;
    let mut inbox = bob.inbox();
    for number in 0..MESSAGES {
        let message = next(&mut inbox).await;
        assert_eq!(message.text(), Some(number.to_string().as_str()));
        message.ack().await.unwrap();
    }
    // A message after all of them shows that none came twice.
    alice.send(bob.did(), Content::text("last")).await.unwrap();
    assert_eq!(next(&mut inbox).await.text(), Some("last"));
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_to_the_next_session() {
    let relay = relay().await;
    let bob = declare(&relay, TENANT, "bob").await;
    let (first, alice) =
        (bob.connect(&relay).await, declare(&relay, TENANT, "alice").await.connect(&relay).await);
    let sent = alice.send(first.did(), Content::text("hello")).await.unwrap();
    assert_eq!(sent.status, SendStatus::Stored);
    assert_eq!(next(&mut first.inbox()).await.text(), Some("hello"));
    first.close().await;

    let second = bob.connect(&relay).await;
    let again = next(&mut second.inbox()).await;
    assert_eq!(again.id(), sent.id);
    again.ack().await.unwrap();
}

#[tokio::test]
async fn an_acknowledged_message_is_delivered_and_not_kept() {
    let relay = relay().await;
    let (alice, bob) = pair(&relay).await;
    let mut inbox = bob.inbox();
    let reader = async { next(&mut inbox).await.ack().await.unwrap() };
    let (sent, ()) = tokio::join!(alice.send(bob.did(), Content::text("hello")), reader);
    // Either answer is honest: the acknowledgement and the disk race.
    assert!(matches!(sent.unwrap().status, SendStatus::Delivered | SendStatus::Stored));
}

#[tokio::test]
async fn a_drained_relay_loses_nothing_and_says_goodbye() {
    let mut relay = relay().await;
    let (alice, bob) = pair(&relay).await;
    alice.send(bob.did(), Content::text("before")).await.unwrap();
    relay.terminate().await.unwrap();
    relay.restart().await.unwrap();
    let mut inbox = bob.inbox();
    let message = next(&mut inbox).await;
    assert_eq!(message.text(), Some("before"));
    message.ack().await.unwrap();
    alice.send(bob.did(), Content::text("after")).await.unwrap();
    assert_eq!(next(&mut inbox).await.text(), Some("after"));
}

/// Registers once, so that others can encrypt to it, and leaves.
async fn known_but_away(relay: &RelayProcess, name: &str) -> crate::agents::Declared {
    let declared = declare(relay, TENANT, name).await;
    declared.connect(relay).await.close().await;
    declared
}

/// One after the other: only then does the sender have an order to keep.
async fn send_numbered(from: &Agent, to: &protocol::Did, count: usize) {
    for number in 0..count {
        let sent = from.send(to, Content::text(number.to_string())).await.unwrap();
        assert_eq!(sent.status, SendStatus::Stored);
    }
}

async fn next(inbox: &mut Inbox) -> Message {
    tokio::time::timeout(MESSAGE_TIMEOUT, inbox.next())
        .await
        .expect("a message in time")
        .expect("the agent lives")
}
