//! Shows the answers of the tools while the relay has the agent suspended, and that the server
//! recovers when the suspension ends.

use std::time::Duration;

use devtools::eventually::eventually;
use msg2agent::Content;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;

/// Longer than the server's pause between two attempts of a suspended agent.
const RETURN_TIMEOUT: Duration = Duration::from_secs(45);

/// Calls that need the relay.
fn calls() -> [(&'static str, Value); 5] {
    [
        ("send_message", json!({"to": "bob", "text": "hi"})),
        ("submit_task", json!({"to": "bob", "text": "sum 1 2"})),
        ("list_agents", json!({})),
        ("query_capabilities", json!({"capabilities": ["plan.create"]})),
        ("get_agent_info", json!({"agent": "bob"})),
    ]
}

async fn until_session(endpoint: &Endpoint, session: &str) {
    eventually("the session is as expected", RETURN_TIMEOUT, async || {
        let me = endpoint.call("get_self_info", json!({})).await?;
        anyhow::ensure!(me["session"] == session, "{me}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_suspension_is_the_answer_of_each_call_and_its_end_is_noticed() {
    let endpoint = Endpoint::start_durable().await;
    let (admin, alice) = (endpoint.relay.admin().unwrap(), endpoint.identity());
    endpoint.bob.send(alice.did(), Content::text("before")).await.unwrap();
    endpoint.newest_message().await;

    admin.suspend(&alice, true).await.unwrap();
    until_session(&endpoint, "suspended").await;
    for (tool, arguments) in calls() {
        let error = endpoint.refusal(tool, arguments).await;
        assert_eq!(
            (&error["reason"], &error["retry_after_ms"]),
            (&json!("suspended"), &json!(15_000)),
            "{tool}"
        );
    }
    let listed = endpoint.call("list_messages", json!({})).await.unwrap();
    assert_eq!((&listed["session"], &listed["unread"]), (&json!("suspended"), &json!(1)));
    let (status, said) = endpoint.admin_page("/readyz").await.unwrap();
    assert!(status == 200 && said.contains("suspended"), "{status}: {said}");
    let (_, metrics) = endpoint.admin_page("/metrics").await.unwrap();
    assert!(metrics.contains(r#"msg2agent_mcp_session{state="suspended"} 1"#), "{metrics}");

    admin.suspend(&alice, false).await.unwrap();
    until_session(&endpoint, "connected").await;
    endpoint.call("send_message", json!({"to": "bob", "text": "back"})).await.unwrap();
    assert_eq!(endpoint.bob.inbox().next().await.unwrap().content(), &Content::text("back"));
    assert!(!endpoint.admin_page("/readyz").await.unwrap().1.contains("suspended"));
}

#[tokio::test]
async fn a_server_that_starts_while_suspended_serves_and_says_so() {
    let mut endpoint = Endpoint::start_durable().await;
    let (admin, alice) = (endpoint.relay.admin().unwrap(), endpoint.identity());
    admin.suspend(&alice, true).await.unwrap();
    endpoint.crash_and_restart().await;
    until_session(&endpoint, "suspended").await;
    let error = endpoint.refusal("list_agents", json!({})).await;
    assert_eq!(error["reason"], "suspended");
    admin.suspend(&alice, false).await.unwrap();
    until_session(&endpoint, "connected").await;
}

#[tokio::test]
async fn a_revoked_key_is_named_by_each_call() {
    let endpoint = Endpoint::start_durable().await;
    let alice = endpoint.identity();
    // Declared again, with another key.
    endpoint.relay.admin().unwrap().make_agent(&alice).await.unwrap();
    until_session(&endpoint, "refused").await;
    for (tool, arguments) in calls() {
        assert_eq!(endpoint.refusal(tool, arguments).await["reason"], "key_unknown", "{tool}");
    }
}
