//! Pages through an inbox of 20,000 messages: pages stay within their bounds, and the counts are
//! right.

use std::time::{Duration, Instant};

use devtools::eventually::eventually;
use futures::{StreamExt as _, stream};
use msg2agent::Content;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;

const MESSAGES: usize = 20_000;
/// Sends under way at a time.
const CONCURRENT: usize = 128;
/// For all of them to arrive: each is written to disk twice, by debug builds.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(400);
/// Bytes of the longest page: 50 summaries with their previews.
const PAGE_BYTES_MAX: usize = 64 * 1024;
/// Growth of the server's memory. No message is held in memory.
const GROWTH_MIB_MAX: u64 = 64;

async fn fill(endpoint: &Endpoint) {
    let (bob, alice) = (&endpoint.bob, endpoint.identity().did().clone());
    let text = |n: usize| format!("{n}: {}", "x".repeat(400));
    let sends = (0..MESSAGES).map(async |n| {
        // The relay lets one agent send 1,000 in a second.
        while let Err(refused) = bob.send(&alice, Content::text(text(n))).await {
            assert!(refused.is_temporary(), "{refused:?}");
            tokio::time::sleep(refused.retry_after().unwrap_or(Duration::from_millis(100))).await;
        }
    });
    stream::iter(sends).buffer_unordered(CONCURRENT).for_each(|()| async {}).await;
    eventually("all messages are here", ARRIVAL_TIMEOUT, async || {
        let counted = endpoint.call("message_count", json!({})).await?;
        anyhow::ensure!(counted["total"] == MESSAGES, "{counted}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_of_twenty_thousand_is_paged_and_counted() {
    let endpoint = Endpoint::start_durable().await;
    let before = endpoint.resident_mib();
    let started = Instant::now();
    fill(&endpoint).await;
    println!("{MESSAGES} messages in {:.0} s", started.elapsed().as_secs_f64());

    let mut seen = std::collections::HashSet::new();
    let (mut cursor, mut slowest, mut longest) = (Value::Null, Duration::ZERO, 0);
    loop {
        let mut arguments = json!({"limit": 50});
        if cursor.is_string() {
            arguments["cursor"] = cursor.clone();
        }
        let asked = Instant::now();
        let page = endpoint.call("list_messages", arguments).await.unwrap();
        slowest = slowest.max(asked.elapsed());
        longest = longest.max(page.to_string().len());
        assert_eq!((&page["unread"], &page["full"]), (&json!(MESSAGES), &json!(false)));
        let messages = page["messages"].as_array().unwrap();
        assert!(messages.len() <= 50);
        seen.extend(messages.iter().map(|message| message["id"].as_str().unwrap().to_owned()));
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen.len(), MESSAGES, "each message is on one page");
    assert!(longest <= PAGE_BYTES_MAX, "a page of {longest} bytes");
    let growth = endpoint.resident_mib().saturating_sub(before);
    println!("longest page {longest} bytes, slowest {slowest:?}, memory {before} MiB and {growth} MiB more");
    assert!(growth <= GROWTH_MIB_MAX, "{growth} MiB");

    let listed = endpoint.call("list_messages", json!({"limit": 1})).await.unwrap();
    endpoint.call("read_message", json!({"id": listed["messages"][0]["id"]})).await.unwrap();
    let counted = endpoint.call("message_count", json!({})).await.unwrap();
    assert_eq!((&counted["total"], &counted["unread"]), (&json!(MESSAGES), &json!(MESSAGES - 1)));
}
