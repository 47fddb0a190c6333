//! What a client does once it has a token: discover, list the tools, call one that changes nothing.

use serde::Deserialize;
use serde_json::Value;

use super::finding::{Fault, Side};
use super::rpc;
use super::web::Seen;

/// Asks the relay and changes nothing.
pub(super) const HARMLESS_TOOL: &str = "list_agents";

/// Members that other servers may leave out or fill otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Answered {
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

/// How the tools of the product say no.
#[derive(Debug, Deserialize)]
struct Refused {
    error: Reason,
}

#[derive(Debug, Deserialize)]
struct Reason {
    reason: String,
    message: String,
}

pub(super) fn discovered(seen: &Seen) -> Result<String, Fault> {
    let versions = result(seen)?.supported_versions;
    if versions.is_empty() {
        let cause = "server/discover names no revision of MCP";
        return Err(Fault::new(Side::Endpoint, cause, "is this an MCP endpoint?"));
    }
    Ok(format!("revisions {}", versions.join(", ")))
}

pub(super) fn tools(seen: &Seen) -> Result<String, Fault> {
    let tools = result(seen)?.tools;
    if tools.iter().any(|tool| tool.name == HARMLESS_TOOL) {
        return Ok(format!("{} tools", tools.len()));
    }
    let cause = format!("the endpoint lists {} tools and not {HARMLESS_TOOL}", tools.len());
    Err(Fault::new(Side::Endpoint, cause, "is this a msg2agent endpoint, and may this token read?"))
}

pub(super) fn called(seen: &Seen) -> Result<String, Fault> {
    let result = result(seen)?;
    if !result.is_error {
        return Ok(format!("{HARMLESS_TOOL} answers"));
    }
    let text = result.content.into_iter().next().unwrap_or_default().text;
    let Reason { reason, message } = serde_json::from_str::<Refused>(&text)
        .map_or_else(|_| Reason { reason: "unknown".into(), message: text }, |refused| refused.error);
    let cause = format!("{HARMLESS_TOOL} is refused: {reason}: {message}");
    Err(Fault::new(side(&reason), cause, remedy(&reason)))
}

fn result(seen: &Seen) -> Result<Answered, Fault> {
    let mut answer = rpc::answer(seen).ok_or_else(|| {
        let cause = format!("the endpoint answers {} and no JSON-RPC", seen.status);
        Fault::new(
            Side::Endpoint,
            cause,
            "a proxy in between may answer in its place; see the MCP server's log",
        )
    })?;
    if let Some(error) = answer.get("error") {
        let cause = format!("the endpoint refuses the request: {error}");
        return Err(Fault::new(Side::Endpoint, cause, "see the MCP server's log; is it an old one?"));
    }
    let result = answer.get_mut("result").map(Value::take).unwrap_or_default();
    serde_json::from_value(result).map_err(|error| {
        let cause = format!("the endpoint's answer has another shape than MCP gives it: {error}");
        Fault::new(Side::Endpoint, cause, "is this an MCP endpoint?")
    })
}

fn side(reason: &str) -> Side {
    match reason {
        "invalid_arguments" | "internal" => Side::Endpoint,
        _ => Side::Relay,
    }
}

fn remedy(reason: &str) -> &'static str {
    match reason {
        "relay_unreachable" | "relay_timeout" => {
            "the endpoint has no connection to the relay: see whether the agent or its tenant is suspended, whether the relay's pod is ready, and the NetworkPolicies between them"
        }
        "suspended" => {
            "the tenant or the agent is suspended: an admin ends that with spec.suspend: false on the Tenant"
        }
        "key_unknown" | "key_expired" => {
            "the relay does not take the endpoint's API key: kubectl describe agent shows the state of its keys"
        }
        "rate_limited" | "overloaded" => "wait, then try again",
        _ => "kubectl describe agent and the relay's log say more",
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;
    use serde_json::json;

    use super::*;

    fn seen(result: &Value) -> Seen {
        let body = json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string().into_bytes();
        Seen { status: StatusCode::OK, headers: HeaderMap::new(), body }
    }

    #[test]
    fn a_tool_that_reaches_no_relay_blames_the_relay() {
        let text = r#"{"error":{"reason":"relay_unreachable","message":"there is no connection"}}"#;
        let fault = called(&seen(&json!({"isError": true, "content": [{"type": "text", "text": text}]})))
            .unwrap_err();
        assert_eq!(fault.side, Side::Relay);
        assert!(fault.cause.contains("relay_unreachable") && fault.remedy.contains("relay's pod"));
        assert!(called(&seen(&json!({"content": []}))).is_ok());
    }

    #[test]
    fn an_endpoint_of_another_product_is_seen() {
        assert!(tools(&seen(&json!({"tools": [{"name": "greet"}]}))).unwrap_err().cause.contains("1 tools"));
        assert_eq!(tools(&seen(&json!({"tools": [{"name": HARMLESS_TOOL}]}))), Ok("1 tools".into()));
        assert!(discovered(&seen(&json!({}))).is_err());
    }

    #[test]
    fn an_answer_in_a_stream_is_read() {
        let mut seen = seen(&json!({}));
        seen.headers.insert("content-type", "text/event-stream".parse().unwrap());
        seen.body = b"event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"supportedVersions\":[\"2026-07-28\"]}}\n\n".to_vec();
        assert_eq!(discovered(&seen), Ok("revisions 2026-07-28".into()));
    }
}
