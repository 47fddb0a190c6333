//! Checks the MCP requests of a client with a token: discover, list the tools, call a read-only
//! tool.

use protocol::Reason;
use serde::Deserialize;
use serde_json::Value;

use super::finding::{Component, Fault};
use super::http::HttpAnswer;
use super::mcp_request;

/// A tool that asks the relay and changes nothing.
pub(super) const READ_ONLY_TOOL: &str = "list_agents";

/// The members that are checked. Other servers may omit them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct McpResult {
    supported_versions: Vec<String>,
    tools: Vec<Tool>,
    is_error: bool,
    content: Vec<Text>,
}

#[derive(Debug, Deserialize)]
struct Tool {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Text {
    text: String,
}

/// An error of a tool of the MCP server.
#[derive(Debug, Deserialize)]
struct ToolFailure {
    error: FailureReason,
}

#[derive(Debug, Deserialize)]
struct FailureReason {
    reason: String,
    message: String,
}

pub(super) fn check_discovery(answer: &HttpAnswer) -> Result<String, Fault> {
    let versions = result(answer)?.supported_versions;
    if versions.is_empty() {
        let cause = "server/discover lists no revision of MCP";
        return Err(Fault::new(Component::Endpoint, cause, "check that this is an MCP endpoint"));
    }
    Ok(format!("revisions {}", versions.join(", ")))
}

pub(super) fn check_tools(answer: &HttpAnswer) -> Result<String, Fault> {
    let tools = result(answer)?.tools;
    if tools.iter().any(|tool| tool.name == READ_ONLY_TOOL) {
        return Ok(format!("{} tools", tools.len()));
    }
    let cause = format!("the endpoint lists {} tools, but not {READ_ONLY_TOOL}", tools.len());
    Err(Fault::new(
        Component::Endpoint,
        cause,
        "check that this is a msg2agent endpoint and that the token has the scope mcp:read",
    ))
}

pub(super) fn check_call(answer: &HttpAnswer) -> Result<String, Fault> {
    let result = result(answer)?;
    if !result.is_error {
        return Ok(format!("{READ_ONLY_TOOL} answers"));
    }
    let text = result.content.into_iter().next().unwrap_or_default().text;
    let FailureReason { reason, message } = serde_json::from_str::<ToolFailure>(&text)
        .map_or_else(|_| FailureReason { reason: "unknown".into(), message: text }, |failure| failure.error);
    let cause = format!("{READ_ONLY_TOOL} is refused: {reason}: {message}");
    Err(Fault::new(component(&reason), cause, remedy(&reason)))
}

fn result(answer: &HttpAnswer) -> Result<McpResult, Fault> {
    let mut answer = mcp_request::parse_answer(answer).ok_or_else(|| {
        let cause = format!("the endpoint answers {} without a JSON-RPC body", answer.status);
        Fault::new(Component::Endpoint, cause, "check proxies in between, and read the MCP server's log")
    })?;
    if let Some(error) = answer.get("error") {
        let cause = format!("the endpoint refuses the request: {error}");
        return Err(Fault::new(
            Component::Endpoint,
            cause,
            "read the MCP server's log, and check its version",
        ));
    }
    let result = answer.get_mut("result").map(Value::take).unwrap_or_default();
    serde_json::from_value(result).map_err(|error| {
        let cause = format!("the endpoint's answer does not have the form that MCP defines: {error}");
        Fault::new(Component::Endpoint, cause, "check that this is an MCP endpoint")
    })
}

fn component(reason: &str) -> Component {
    match reason {
        "invalid_arguments" | "internal" => Component::Endpoint,
        _ => Component::Relay,
    }
}

fn remedy(reason: &str) -> &'static str {
    if matches!(reason, "relay_unreachable" | "relay_timeout") {
        return "the endpoint has no connection to the relay: check that neither the agent nor its tenant is \
                suspended, that the relay's pod is ready, and the NetworkPolicies between them";
    }
    match Reason::ALL.iter().find(|known| known.as_str() == reason) {
        Some(Reason::Suspended) => {
            "the agent or its tenant is suspended: an admin must set spec.suspend: false"
        }
        Some(Reason::KeyUnknown | Reason::KeyExpired) => {
            "the relay rejects the endpoint's API key: kubectl describe agent shows the state of its keys"
        }
        Some(Reason::RateLimited | Reason::Overloaded) => "wait, then try again",
        _ => "run kubectl describe agent, and read the relay's log",
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;
    use serde_json::json;

    use super::*;

    fn answered(result: &Value) -> HttpAnswer {
        let body = json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string().into_bytes();
        HttpAnswer { status: StatusCode::OK, headers: HeaderMap::new(), body }
    }

    #[test]
    fn a_tool_that_cannot_reach_the_relay_blames_the_relay() {
        let text = r#"{"error":{"reason":"relay_unreachable","message":"there is no connection"}}"#;
        let fault =
            check_call(&answered(&json!({"isError": true, "content": [{"type": "text", "text": text}]})))
                .unwrap_err();
        assert_eq!(fault.side, Component::Relay);
        assert!(fault.cause.contains("relay_unreachable") && fault.remedy.contains("relay's pod"));
        assert!(check_call(&answered(&json!({"content": []}))).is_ok());
    }

    #[test]
    fn an_endpoint_of_another_product_is_recognized() {
        assert!(
            check_tools(&answered(&json!({"tools": [{"name": "greet"}]})))
                .unwrap_err()
                .cause
                .contains("1 tools")
        );
        assert_eq!(
            check_tools(&answered(&json!({"tools": [{"name": READ_ONLY_TOOL}]}))),
            Ok("1 tools".into())
        );
        assert!(check_discovery(&answered(&json!({}))).is_err());
    }

    #[test]
    fn an_answer_in_an_event_stream_is_read() {
        let mut answer = answered(&json!({}));
        answer.headers.insert("content-type", "text/event-stream".parse().unwrap());
        answer.body = b"event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"supportedVersions\":[\"2026-07-28\"]}}\n\n".to_vec();
        assert_eq!(check_discovery(&answer), Ok("revisions 2026-07-28".into()));
    }
}
