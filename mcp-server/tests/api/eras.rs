//! rmcp's own client in each lifecycle of the protocol: what a real client sees.

use msg2agent_mcp_server::tool::Toolbox;
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt as _, RoleClient};
use serde_json::{Value, json};

use crate::test_endpoint::TestEndpoint;

async fn client(served: &TestEndpoint, lifecycle: ClientLifecycleMode) -> RunningService<RoleClient, ()> {
    let config = StreamableHttpClientTransportConfig::with_uri(served.url()).auth_header(served.key.reveal());
    let transport = StreamableHttpClientTransport::from_config(config);
    ().serve_with_lifecycle(transport, lifecycle).await.unwrap()
}

async fn a_client_lists_and_calls_tools(lifecycle: ClientLifecycleMode) {
    let served = TestEndpoint::start().await;
    let client = client(&served, lifecycle).await;
    let tools = client.list_all_tools().await.unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    let all: Vec<_> = Toolbox::list().into_iter().map(|tool| tool.name).collect();
    assert_eq!(names, all);
    assert_eq!(names.len(), 15);

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
async fn every_revision_of_the_handshake_is_agreed_to_with_a_session_of_its_own() {
    let served = TestEndpoint::start().await;
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
        }});
        let response = served.post(&hello).bearer_auth(served.key.reveal()).send().await.unwrap();
        assert_eq!(response.status(), 200, "{version}");
        assert!(response.headers().contains_key("mcp-session-id"), "{version}");
        let text = response.text().await.unwrap();
        let answer =
            text.lines().filter_map(|line| line.strip_prefix("data: ")).find(|data| !data.is_empty());
        let answer: Value = serde_json::from_str(answer.unwrap()).unwrap();
        assert_eq!(answer["result"]["protocolVersion"], version);
        assert_eq!(answer["result"]["serverInfo"]["name"], "msg2agent");
    }
}

#[tokio::test]
async fn discovery_says_what_this_server_can_and_that_nobody_else_may_keep_it() {
    let served = TestEndpoint::start().await;
    let answer = served.modern("server/discover", None, json!({})).bearer_auth(served.key.reveal());
    let answer: Value = answer.send().await.unwrap().json().await.unwrap();
    let result = &answer["result"];
    let versions = result["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&json!("2026-07-28")) && versions.contains(&json!("2024-11-05")), "{answer}");
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["capabilities"]["resources"], json!({"subscribe": true, "listChanged": true}));
    assert!(result["capabilities"]["extensions"]["io.modelcontextprotocol/tasks"].is_object(), "{answer}");
    assert!(result["ttlMs"].is_number() && result["cacheScope"].is_string(), "{answer}");
}

#[tokio::test]
async fn a_header_that_does_not_fit_the_body_is_refused() {
    let served = TestEndpoint::start().await;
    let call = served.call("get_self_info", &json!({}));
    let answer = served
        .modern("tools/call", Some("list_agents"), json!({"name": "get_self_info", "arguments": {}}))
        .bearer_auth(served.key.reveal());
    assert_eq!(call.send().await.unwrap().status(), 200);
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], -32020);
}

#[tokio::test]
async fn a_refusal_is_a_result_that_the_model_can_read() {
    let served = TestEndpoint::start().await;
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
    let served = TestEndpoint::start().await;
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
