//! Shows the limits of the relay in the answers of tools: which limit it was, and when to retry.

use std::time::Duration;

use devtools::eventually::eventually;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;

/// Two messages may wait for bob, and after six sends there is one more each second.
const NARROW: &[(&str, &str)] = &[
    ("MSG2AGENT_RELAY_LIMIT_MAILBOX_MESSAGES", "2"),
    ("MSG2AGENT_RELAY_LIMIT_SENDS_PER_SECOND", "1"),
    ("MSG2AGENT_RELAY_LIMIT_SENDS_BURST", "6"),
];

fn hello() -> Value {
    json!({"to": "bob", "text": "hello"})
}

#[tokio::test]
async fn a_full_mailbox_and_a_rate_are_told_with_their_limits_and_a_time_to_retry() {
    let endpoint = Endpoint::start_at_relay_with(NARROW).await;
    for _ in 0..2 {
        endpoint.call("send_message", hello()).await.unwrap();
    }
    let full = endpoint.refusal("send_message", hello()).await;
    assert_eq!(full["reason"], "mailbox_full", "{full}");
    assert!(full["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{full}");
    let mailbox = json!({"plan": "default", "name": "mailbox_messages", "limit": 2, "current": 2});
    assert_eq!(full["quota"], mailbox, "{full}");

    let bob = endpoint.bob.clone();
    let reading = tokio::spawn(async move {
        while let Some(message) = bob.inbox().next().await {
            message.ack().await.unwrap();
        }
    });
    let limited = eventually("the rate is used up", Duration::from_secs(30), async || {
        match endpoint.outcome("send_message", hello()).await {
            Err(error) if error["reason"] == "rate_limited" => Ok(error),
            other => anyhow::bail!("{other:?}"),
        }
    })
    .await
    .unwrap();
    let pause = limited["retry_after_ms"].as_u64().unwrap();
    assert!((1..=10_000).contains(&pause), "{limited}");
    let sends = json!({"plan": "default", "name": "sends_burst", "limit": 6, "current": 6});
    assert_eq!(limited["quota"], sends, "{limited}");
    tokio::time::sleep(Duration::from_millis(pause)).await;
    endpoint.call("send_message", hello()).await.unwrap();
    reading.abort();
}
