//! Shows that the log of the MCP server holds no message and no key, however verbose it is.

use msg2agent::Content;
use serde_json::json;

use crate::endpoint::Endpoint;

#[tokio::test]
async fn the_log_holds_neither_messages_nor_keys() {
    let endpoint = Endpoint::start().await;
    let alice = "did:wba:relay.test:agent:acme:alice".parse().unwrap();
    endpoint.bob.send(&alice, Content::text("CANARY-incoming")).await.unwrap();
    let listed = endpoint.newest_message().await;
    let read = endpoint.call("read_message", json!({"id": listed["id"]})).await.unwrap();
    assert_eq!(read["untrusted"]["text"], "CANARY-incoming");
    endpoint.call("send_message", json!({"to": "bob", "text": "CANARY-outgoing"})).await.unwrap();

    let log = endpoint.log();
    assert!(log.contains("tool called"), "{log}");
    for secret in ["CANARY", endpoint.key.reveal()] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
    let (_, metrics) = endpoint.admin_page("/metrics").await.unwrap();
    assert!(metrics.contains("msg2agent_mcp_tool_calls_total") && !metrics.contains("CANARY"));
}
