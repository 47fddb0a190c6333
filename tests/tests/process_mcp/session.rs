//! Shows what the MCP server does when another process of the agent takes its session: one DID has
//! one session.

use std::time::Duration;

use devtools::eventually::eventually;
use msg2agent::{Agent, Content};
use serde_json::json;

use crate::endpoint::Endpoint;

#[tokio::test]
async fn a_taken_session_is_yielded_and_taken_back_by_the_next_call() {
    let endpoint = Endpoint::start().await;
    let other =
        Agent::connect(endpoint.relay.config(endpoint.identity(), &endpoint.key).unwrap()).await.unwrap();
    eventually("the server yields", Duration::from_secs(20), async || {
        let (_, metrics) = endpoint.admin_page("/metrics").await?;
        anyhow::ensure!(metrics.contains(r#"msg2agent_mcp_session{state="yielded"} 1"#), "{metrics}");
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(endpoint.admin_page("/readyz").await.unwrap().0, 200);
    assert!(other.connection_state().is_online(), "the server does not fight back");

    endpoint.call("send_message", json!({"to": "bob", "text": "me again"})).await.unwrap();
    assert_eq!(endpoint.bob.inbox().next().await.unwrap().content(), &Content::text("me again"));
    assert!(other.ended().await.is_closed());
    let me = endpoint.call("get_self_info", json!({})).await.unwrap();
    assert_eq!(me["session"], "connected");
}
