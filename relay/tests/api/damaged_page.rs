//! Tests of a mailbox with a damaged page: the messages on it are dropped and their senders are
//! told, and all others are delivered.

use std::path::Path;
use std::time::Instant;

use protocol::Envelope;
use protocol::envelope::MessageId;
use protocol::frame::{Outcome, SendStatus};

use crate::agent::{Agent, did, identity};
use crate::harness::{TEST_TIMEOUT, start};

/// Bytes of a page of the mailbox's file.
const PAGE_BYTES: usize = 16 * 1024;
/// Bytes of a body of which a page holds one.
const BODY_BYTES: usize = 10_000;

/// Overwrites the head of the page that holds this message, once the relay has closed the file.
fn damage(folder: &Path, message: MessageId) {
    let (file, log) = (folder.join("data/mailbox.db"), folder.join("data/mailbox.db-wal"));
    let deadline = Instant::now() + TEST_TIMEOUT;
    while log.exists() {
        assert!(Instant::now() < deadline, "the mailbox is still open");
        std::thread::yield_now();
    }
    let (mut content, id) = (std::fs::read(&file).unwrap(), message.to_string());
    let found = content.windows(id.len()).position(|window| window == id.as_bytes()).unwrap();
    let page = found / PAGE_BYTES * PAGE_BYTES;
    content[page..page + 8].fill(0xff);
    std::fs::write(file, content).unwrap();
}

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
    let relay = relay.restart_with(|_, folder| damage(folder, lost)).await;

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
