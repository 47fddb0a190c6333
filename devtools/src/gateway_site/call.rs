//! Sends requests through a gateway in the format of MCP 2026-07-28.

use anyhow::ensure;
use serde_json::{Value, json};

use super::Gateway;
use crate::http_client;

impl Gateway {
    /// A request with this credential.
    pub fn request(
        &self,
        http: &reqwest::Client,
        credential: &str,
        method: &str,
        params: Value,
    ) -> reqwest::RequestBuilder {
        Self::request_at(http, self.port, credential, method, params)
    }

    /// The same to whatever listens on this port.
    pub fn request_at(
        http: &reqwest::Client,
        port: u16,
        credential: &str,
        method: &str,
        mut params: Value,
    ) -> reqwest::RequestBuilder {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        if let Some(params) = params.as_object_mut() {
            params.insert("_meta".to_owned(), meta);
        }
        let name =
            params.get("name").or_else(|| params.get("uri")).and_then(Value::as_str).map(str::to_owned);
        let request = http
            .post(format!("http://localhost:{port}/mcp"))
            .bearer_auth(credential)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method)
            .json(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
        match name {
            Some(name) => request.header("mcp-name", name),
            None => request,
        }
    }

    /// The answer of a tool, also when the tool refuses.
    ///
    /// # Errors
    /// No answer, or none of the protocol.
    pub async fn call(&self, credential: &str, tool: &str, arguments: Value) -> anyhow::Result<Value> {
        let params = json!({"name": tool, "arguments": arguments});
        let answer = self.request(&http_client::new()?, credential, "tools/call", params).send().await?;
        let (status, answer) = (answer.status(), answer.json::<Value>().await?);
        ensure!(status.is_success(), "{status}: {answer}");
        Ok(answer)
    }
}
