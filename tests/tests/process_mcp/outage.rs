//! Takes the relay away and back. Each tool reports the outage, and everything recovers without
//! help.

use std::time::Duration;

use devtools::eventually::eventually;
use msg2agent::Content;
use serde_json::json;

use crate::endpoint::Endpoint;

/// Longer than any delay between two attempts to connect.
const RETURN_TIMEOUT: Duration = Duration::from_secs(60);
/// Time the relay is away: longer than every wait inside one call.
const OUTAGE_INTERVAL: Duration = Duration::from_secs(30);

#[tokio::test]
async fn calls_say_that_the_relay_is_away_and_work_again_when_it_is_back() {
    let mut endpoint = Endpoint::start_durable().await;
    let alice = endpoint.identity().did().clone();
    endpoint.bob.send(&alice, Content::text("before")).await.unwrap();
    let waiting = endpoint.newest_message().await;

    endpoint.relay.kill().await.unwrap();
    let since = tokio::time::Instant::now();
    for (tool, arguments) in [
        ("send_message", json!({"to": "bob", "text": "hi"})),
        ("submit_task", json!({"to": "bob", "text": "sum 1 2"})),
        ("list_agents", json!({})),
        ("query_capabilities", json!({"capabilities": ["plan.create"]})),
        ("get_agent_info", json!({"agent": "bob"})),
    ] {
        let error = endpoint.refusal(tool, arguments).await;
        assert_eq!(error["reason"], "relay_unreachable", "{tool}");
        assert!(error["retry_after_ms"].is_u64(), "{tool}: {error}");
    }
    let listed = endpoint.call("list_messages", json!({})).await.unwrap();
    assert_eq!((&listed["session"], &listed["unread"]), (&json!("connecting"), &json!(1)));
    assert_eq!(endpoint.call("list_tasks", json!({})).await.unwrap()["open"], 0, "no task was half given");
    let read = endpoint.call("read_message", json!({"id": waiting["id"]})).await.unwrap();
    assert_eq!(read["untrusted"]["text"], "before");
    let (status, said) = endpoint.admin_page("/readyz").await.unwrap();
    assert!(status == 200 && said.contains("not connected"), "{status}: {said}");
    tokio::time::sleep_until(since + OUTAGE_INTERVAL).await;

    endpoint.relay.restart().await.unwrap();
    eventually("the server has recovered", RETURN_TIMEOUT, async || {
        let me = endpoint.call("get_self_info", json!({})).await?;
        anyhow::ensure!(me["session"] == "connected", "{me}");
        Ok(())
    })
    .await
    .unwrap();
    endpoint.call("send_message", json!({"to": "bob", "text": "after"})).await.unwrap();
    assert_eq!(endpoint.bob.inbox().next().await.unwrap().content(), &Content::text("after"));
}
