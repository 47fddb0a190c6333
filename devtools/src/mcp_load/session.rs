//! Opens an MCP session of the handshake era with its event stream, and calls tools in it.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

const REVISION: &str = "2025-11-25";

pub struct McpSession {
    http: reqwest::Client,
    url: String,
    key: String,
    id: String,
    /// Held open and not read: nothing is sent on it here.
    _stream: reqwest::Response,
}

/// The message of an answer, which is JSON or a stream with one event of it.
fn message(body: &str) -> anyhow::Result<Value> {
    let mut events = body.lines().rev().filter_map(|line| line.strip_prefix("data: "));
    let json = events.find(|data| data.starts_with('{')).unwrap_or(body);
    serde_json::from_str(json).with_context(|| format!("read {body:?}"))
}

impl McpSession {
    /// # Errors
    /// The server refuses.
    pub async fn open(http: &reqwest::Client, url: &str, key: &str) -> anyhow::Result<Self> {
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": REVISION, "capabilities": {}, "clientInfo": {"name": "load", "version": "1"}}});
        let request = |body: &Value| {
            http.post(url).bearer_auth(key).header("accept", "application/json, text/event-stream").json(body)
        };
        let made = request(&hello).send().await?.error_for_status().context("initialize a session")?;
        let id = made.headers().get("mcp-session-id").context("a session without id")?.to_str()?.to_owned();
        made.bytes().await?;
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let request =
            request(&initialized).header("mcp-session-id", &id).header("mcp-protocol-version", REVISION);
        request.send().await?.error_for_status().context("send notifications/initialized")?.bytes().await?;
        let stream = http
            .get(url)
            .bearer_auth(key)
            .header("accept", "text/event-stream")
            .header("mcp-session-id", &id)
            .header("mcp-protocol-version", REVISION)
            .send()
            .await?;
        let stream = stream.error_for_status().context("open the stream of a session")?;
        Ok(Self { http: http.clone(), url: url.to_owned(), key: key.to_owned(), id, _stream: stream })
    }

    /// # Errors
    /// The call fails, as HTTP, as protocol or as tool.
    pub async fn call(&self, tool: &str, arguments: &Value) -> anyhow::Result<()> {
        let params = json!({"name": tool, "arguments": arguments});
        let answer = self
            .http
            .post(&self.url)
            .bearer_auth(&self.key)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-session-id", &self.id)
            .header("mcp-protocol-version", REVISION)
            .json(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}))
            .send()
            .await?;
        let status = answer.status();
        let answer = message(&answer.text().await?)?;
        let result = answer.get("result").and_then(Value::as_object);
        let refused = result.is_none_or(|result| result.get("isError") == Some(&Value::Bool(true)));
        let fine = status.is_success() && !refused;
        ensure!(fine, "{tool} answered {status}: {answer}");
        Ok(())
    }
}
