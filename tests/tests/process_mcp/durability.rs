//! Shows that a crash of the MCP server loses no unread message.

use std::time::Duration;

use devtools::eventually::eventually;
use msg2agent::{Content, Outcome};
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
async fn with_a_state_folder_mail_is_kept_here_read_and_unread_alike() {
    let mut endpoint = Endpoint::start_durable().await;
    let alice = "did:wba:relay.test:agent:acme:alice".parse().unwrap();
    let first = endpoint.bob.send(&alice, Content::text("first")).await.unwrap();
    endpoint.newest_message().await;
    endpoint.call("read_message", json!({"id": first.id.to_string()})).await.unwrap();
    let second = endpoint.bob.send(&alice, Content::text("second")).await.unwrap();
    eventually("the second one is here", Duration::from_secs(20), async || {
        let counted = endpoint.call("message_count", json!({})).await?;
        anyhow::ensure!(counted["total"] == 2, "{counted}");
        Ok(())
    })
    .await
    .unwrap();

    endpoint.crash_and_restart().await;
    let listed = endpoint.call("list_messages", json!({})).await.unwrap();
    let seen: Vec<_> = listed["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| (m["id"].clone(), m["unread"].clone()))
        .collect();
    let expected = [(json!(second.id.to_string()), json!(true)), (json!(first.id.to_string()), json!(false))];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn sigterm_ends_the_server_in_order() {
    assert_eq!(Endpoint::start().await.terminate().await, 0);
}
