//! An MCP request of the revision 2026-07-28, which needs no session, and its answer.

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::http::HttpAnswer;
use super::target::Target;

const REVISION: &str = "2026-07-28";

/// Builds a request without a token.
pub(super) fn build(
    client: &Client,
    target: &Target,
    method: &str,
    name: Option<&str>,
    params: Value,
) -> RequestBuilder {
    let mut params = params;
    if let Some(params) = params.as_object_mut() {
        params.insert("_meta".into(), meta());
    }
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let request = client
        .post(target.url.clone())
        .header(ACCEPT, "application/json, text/event-stream")
        .header(CONTENT_TYPE, "application/json")
        .header("mcp-protocol-version", REVISION)
        .header("mcp-method", method)
        .body(body.to_string());
    match name {
        Some(name) => request.header("mcp-name", name),
        None => request,
    }
}

fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "m2a-doctor", "version": env!("CARGO_PKG_VERSION")},
    })
}

/// The JSON-RPC answer in the body, or in the last event of an event stream.
pub(super) fn parse_answer(answer: &HttpAnswer) -> Option<Value> {
    if answer.header(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("text/event-stream")) {
        let text = std::str::from_utf8(&answer.body).ok()?;
        let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
        return events
            .filter_map(|data| serde_json::from_str::<Value>(data.trim()).ok())
            .rfind(|value| value.get("id").is_some());
    }
    answer.json()
}
