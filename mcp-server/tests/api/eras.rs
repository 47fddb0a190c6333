//! rmcp's own client in each lifecycle of the protocol: what a real client sees.

use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt as _, RoleClient};
use serde_json::{Value, json};

use crate::served::Served;

async fn client(served: &Served, lifecycle: ClientLifecycleMode) -> RunningService<RoleClient, ()> {
    let config = StreamableHttpClientTransportConfig::with_uri(served.url()).auth_header(served.key.reveal());
    let transport = StreamableHttpClientTransport::from_config(config);
    ().serve_with_lifecycle(transport, lifecycle).await.unwrap()
}

async fn a_client_lists_and_calls_tools(lifecycle: ClientLifecycleMode) {
    let served = Served::start().await;
    let client = client(&served, lifecycle).await;
    let tools = client.list_all_tools().await.unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    let all =
        ["send_message", "list_messages", "read_message", "list_agents", "get_agent_info", "get_self_info"];
    assert_eq!(names, all);

    let arguments = json!({"to": "bob", "text": "hi"}).as_object().unwrap().clone();
    let sent =
        client.call_tool(CallToolRequestParams::new("send_message").with_arguments(arguments)).await.unwrap();
    assert_eq!(sent.structured_content.unwrap()["status"], "stored");
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn a_client_of_the_handshake_era_lists_and_calls_tools() {
    a_client_lists_and_calls_tools(ClientLifecycleMode::Initialize).await;
}

#[tokio::test]
async fn a_client_of_the_stateless_era_lists_and_calls_tools() {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    a_client_lists_and_calls_tools(ClientLifecycleMode::Discover { preferred_versions }).await;
}

#[tokio::test]
async fn every_revision_of_the_handshake_is_agreed_to_and_no_session_is_given_out() {
    let served = Served::start().await;
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
        }});
        let request = reqwest::Client::new().post(served.url()).bearer_auth(served.key.reveal());
        let request = request.header("accept", "application/json, text/event-stream").json(&hello);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{version}");
        assert!(!response.headers().contains_key("mcp-session-id"), "{version}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["result"]["protocolVersion"], version);
        assert_eq!(answer["result"]["serverInfo"]["name"], "msg2agent");
    }
}

#[tokio::test]
async fn a_refusal_is_a_result_that_the_model_can_read() {
    let served = Served::start().await;
    let answer = served.call("send_message", &json!({"to": "nobody", "text": "hi"})).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["result"]["isError"], true);
    let text: Value = serde_json::from_str(answer["result"]["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text["error"]["reason"], "not_found");
    let counted = r#"msg2agent_mcp_tool_calls_total{outcome="not_found",tool="send_message"} 1"#;
    assert!(served.metrics().contains(counted), "{}", served.metrics());
}

#[tokio::test]
async fn calls_under_way_end_before_the_endpoint_does() {
    let served = Served::start().await;
    let call = served.call("send_message", &json!({"to": "bob", "text": "hi", "wait_seconds": 1})).send();
    let begin = async {
        // The request has to be under way; that it is, the server does not tell.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        served.shutdown.begin();
    };
    let (answer, ()) = tokio::join!(call, begin);
    let answer: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(answer["result"]["structuredContent"]["timed_out"], true);
    assert!(reqwest::get(served.url()).await.unwrap_err().is_connect());
}
