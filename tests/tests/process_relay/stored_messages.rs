//! Tests that a relay with many stored messages is ready soon after it was killed, has all of them,
//! and needs memory for those that wait and not for those that have left.
//!
//! `MSG2AGENT_TEST_STORED_MESSAGES=1000000` stores so many instead of 50,000.

use std::time::{Duration, Instant};

use anyhow::ensure;
use devtools::eventually::eventually;
use devtools::memory_usage;
use devtools::relay_process::RelayProcess;
use futures::future::join_all;
use protocol::admin::TenantSpec;

use crate::offline_traffic::mail_pair::MailPair;
use crate::offline_traffic::{BODY_CHARACTERS, metric};

const MESSAGES: usize = 50_000;
/// As many as a mailbox takes.
const MESSAGES_PER_MAILBOX: usize = 10_000;
/// A row in its mailbox and its id among those that are remembered.
const BYTES_PER_MESSAGE: u64 = 512;
/// Of a relay without messages.
const BYTES_WITHOUT_MESSAGES: u64 = 96 << 20;

/// The relay counts its rows once a second.
const COUNT_TIMEOUT: Duration = Duration::from_secs(30);

/// No limit of a rate or of all mailboxes together is met.
const SETTINGS: [(&str, &str); 6] = [
    ("MSG2AGENT_RELAY_LIMIT_SENDS_PER_SECOND", "1000000"),
    ("MSG2AGENT_RELAY_LIMIT_SENDS_BURST", "1000000"),
    ("MSG2AGENT_RELAY_LIMIT_TENANT_SENDS_PER_SECOND", "1000000"),
    ("MSG2AGENT_RELAY_LIMIT_TENANT_SENDS_BURST", "1000000"),
    ("MSG2AGENT_RELAY_LIMIT_TENANT_MAILBOX_MESSAGES", "2000000"),
    ("MSG2AGENT_RELAY_LIMIT_RELAY_MAILBOX_MESSAGES", "4000000"),
];

#[tokio::test]
async fn a_relay_with_many_stored_messages_is_ready_soon_with_all_of_them() {
    devtools::install_tls_provider();
    let wanted =
        std::env::var("MSG2AGENT_TEST_STORED_MESSAGES").map_or(MESSAGES, |text| text.parse().unwrap());
    let mut relay = RelayProcess::start_with(&SETTINGS).await.unwrap();
    relay.admin().unwrap().put_tenant("north", &TenantSpec::default()).await.unwrap();
    let mut pairs = Vec::new();
    for number in 0..=wanted.div_ceil(MESSAGES_PER_MAILBOX) {
        pairs.push(MailPair::declare(&relay, "north", number).await);
    }
    let template = |pair: &MailPair| pair.envelope(BODY_CHARACTERS);
    join_all(pairs.iter_mut().map(|pair| {
        let (relay, template) = (&relay, template(pair));
        async move { pair.send_many(relay, &template, MESSAGES_PER_MAILBOX).await }
    }))
    .await;
    // The messages of one mailbox have left, and are only remembered.
    pairs[0].take_all(&relay).await;

    relay.kill().await.unwrap();
    let begun = Instant::now();
    relay.restart().await.unwrap();
    let (took, bytes) = (begun.elapsed(), memory_usage::peak(relay.pid().unwrap()).unwrap());
    let waiting: usize = pairs.iter().map(MailPair::missing).sum();
    println!(
        "ready after {:.2} s with {waiting} messages that wait, {} MiB of memory",
        took.as_secs_f64(),
        bytes >> 20
    );
    // Acknowledged ones whose removal was not on disk wait again.
    let (least, most) = (waiting as f64, (waiting + MESSAGES_PER_MAILBOX) as f64);
    eventually("all of them are counted", COUNT_TIMEOUT, async || {
        let counted = metric(&relay, "msg2agent_relay_mailbox_messages").await;
        ensure!(counted.is_some_and(|counted| (least..=most).contains(&counted)), "{counted:?} of {waiting}");
        Ok(())
    })
    .await
    .unwrap();
    let all = (waiting + MESSAGES_PER_MAILBOX) as u64;
    assert!(bytes <= BYTES_WITHOUT_MESSAGES + all * BYTES_PER_MESSAGE, "{bytes} bytes of memory");
    for pair in &mut pairs[1..=3] {
        pair.take_all(&relay).await;
        assert_eq!((pair.missing(), pair.repeated), (0, 0));
    }
}
