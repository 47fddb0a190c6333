//! Calls tools with the agent's key.

use devtools::eventually::eventually;
use devtools::http_client;
use serde_json::{Value, json};

use super::{Endpoint, READY_TIMEOUT};

impl Endpoint {
    /// The structured answer of a tool.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> anyhow::Result<Value> {
        let answer = self.answer(tool, arguments).await?;
        let structured = answer["structuredContent"].clone();
        anyhow::ensure!(structured.is_object(), "{answer}");
        Ok(structured)
    }

    /// Why a tool refuses: `reason`, `message`, perhaps `retry_after_ms`.
    pub(crate) async fn refusal(&self, tool: &str, arguments: Value) -> Value {
        self.outcome(tool, arguments).await.unwrap_err()
    }

    /// The structured answer of a tool, or why it refuses.
    pub(crate) async fn outcome(&self, tool: &str, arguments: Value) -> Result<Value, Value> {
        let answer = self.answer(tool, arguments).await.unwrap();
        if answer["isError"] != true {
            return Ok(answer["structuredContent"].clone());
        }
        let said: Value = serde_json::from_str(answer["content"][0]["text"].as_str().unwrap()).unwrap();
        Err(said["error"].clone())
    }

    async fn answer(&self, tool: &str, arguments: Value) -> anyhow::Result<Value> {
        let request = self.request(tool, arguments, json!({}))?;
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        anyhow::ensure!(answer["result"].is_object(), "{answer}");
        Ok(answer["result"].clone())
    }

    /// A call as MCP 2026-07-28 writes it, with more members in its `_meta`.
    pub(crate) fn request(
        &self,
        tool: &str,
        arguments: Value,
        mut meta: Value,
    ) -> anyhow::Result<reqwest::RequestBuilder> {
        let ca = reqwest::Certificate::from_pem(self.ca.as_bytes())?;
        let client = http_client::builder().tls_certs_only([ca]).build()?;
        meta["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
        let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
        Ok(client
            .post(self.url())
            .bearer_auth(self.key.reveal())
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool)
            .json(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})))
    }

    /// Waits until the inbox lists a message and returns the newest.
    pub(crate) async fn newest_message(&self) -> Value {
        self.until("list_messages", json!({}), "/messages/0").await
    }

    /// Calls a tool until its answer has something at this place, and returns that.
    pub(crate) async fn until(&self, tool: &str, arguments: Value, pointer: &str) -> Value {
        eventually("the answer has what is waited for", READY_TIMEOUT, async || {
            let answer = self.call(tool, arguments.clone()).await?;
            answer.pointer(pointer).cloned().ok_or_else(|| anyhow::anyhow!("{answer}"))
        })
        .await
        .unwrap()
    }
}
