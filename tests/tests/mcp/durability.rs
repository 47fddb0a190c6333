//! What a crash of the MCP server costs: nothing that was not read.

use std::time::Duration;

use msg2agent::{Content, Outcome};
use msg2agent_tests::eventually::eventually;
use serde_json::json;

use crate::endpoint::Endpoint;

#[tokio::test]
async fn an_unread_message_survives_a_crash_and_a_read_one_is_acknowledged() {
    let mut endpoint = Endpoint::start().await;
    let alice = "did:wba:relay.test:agent:acme:alice".parse().unwrap();
    let sent = endpoint.bob.send(&alice, Content::text("keep me")).await.unwrap();
    let listed = endpoint.newest_message().await;
    assert_eq!(listed["id"], sent.id.to_string());

    endpoint.crash_and_restart().await;
    let listed = endpoint.newest_message().await;
    assert_eq!((&listed["id"], &listed["unread"]), (&json!(sent.id.to_string()), &json!(true)));
    assert_eq!(endpoint.bob.outcome(&sent.id), None, "nobody has read it yet");

    let read = endpoint.call("read_message", json!({"id": sent.id.to_string()})).await.unwrap();
    assert_eq!(read["untrusted"]["text"], "keep me");
    eventually("the sender hears that it was read", Duration::from_secs(20), async || {
        let outcome = endpoint.bob.outcome(&sent.id);
        anyhow::ensure!(outcome == Some(Outcome::Delivered), "{outcome:?}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn sigterm_ends_the_server_in_order() {
    assert_eq!(Endpoint::start().await.terminate().await, 0);
}
