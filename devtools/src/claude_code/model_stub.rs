//! Serves the streaming Messages API on loopback in place of a model. It asks for one tool call,
//! keeps the result, and ends the conversation.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Bytes of one request: the tools and prompts of Claude Code are a few hundred KiB.
const REQUEST_BYTES_MAX: usize = 8 << 20;

const CALL_ID: &str = "toolu_stub";

/// Serves until dropped.
pub struct ModelStub {
    url: String,
    script: Arc<Script>,
    serving: JoinHandle<()>,
}

struct Script {
    tool: String,
    arguments: Value,
    result: Mutex<Option<Value>>,
}

impl ModelStub {
    /// A model that wants this tool called with these arguments.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(tool: &str, arguments: Value) -> anyhow::Result<Self> {
        let script = Script { tool: tool.to_owned(), arguments, result: Mutex::default() };
        let script = Arc::new(script);
        let listener = TcpListener::bind("127.0.0.1:0").await.context("bind the model stub")?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new()
            .route("/v1/messages", post(answer))
            .layer(axum::extract::DefaultBodyLimit::max(REQUEST_BYTES_MAX))
            .with_state(Arc::clone(&script));
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the model stub failed");
            }
        });
        Ok(Self { url, script, serving })
    }

    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The `tool_result` block that reached the model.
    #[must_use]
    pub fn result(&self) -> Option<Value> {
        self.script.result.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ModelStub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(script): State<Arc<Script>>, Json(request): Json<Value>) -> impl IntoResponse {
    let result = find_result(&request);
    let block = match &result {
        None if offers(&request, &script.tool) => Block::Call(&script.tool, &script.arguments),
        _ => Block::Text("Done."),
    };
    let stream = events(&block).iter().map(event_text).collect::<String>();
    if let Some(result) = result {
        *script.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }
    ([(CONTENT_TYPE, "text/event-stream")], stream)
}

/// The content block of one turn of the model.
enum Block<'a> {
    Text(&'a str),
    Call(&'a str, &'a Value),
}

fn offers(request: &Value, tool: &str) -> bool {
    let tools = request.get("tools").and_then(Value::as_array).into_iter().flatten();
    tools.filter_map(|offered| offered.get("name")).any(|name| name == tool)
}

fn find_result(request: &Value) -> Option<Value> {
    let messages = request.get("messages")?.as_array()?.iter();
    let mut blocks = messages.filter_map(|message| message.get("content")?.as_array()).flatten();
    blocks.find(|block| block.get("tool_use_id").is_some_and(|id| id == CALL_ID)).cloned()
}

/// One turn as the events of a stream (Messages API, streaming).
fn events(block: &Block<'_>) -> [Value; 6] {
    let (start, delta, stop_reason) = match block {
        Block::Text(text) => {
            (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": text}), "end_turn")
        }
        Block::Call(tool, arguments) => (
            json!({"type": "tool_use", "id": CALL_ID, "name": tool, "input": {}}),
            json!({"type": "input_json_delta", "partial_json": arguments.to_string()}),
            "tool_use",
        ),
    };
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    let message = json!({
        "id": "msg_stub", "type": "message", "role": "assistant", "model": "stub", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    [
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": start}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": null}, "usage": usage}),
        json!({"type": "message_stop"}),
    ]
}

fn event_text(event: &Value) -> String {
    let name = event.get("type").and_then(Value::as_str).unwrap_or_default();
    format!("event: {name}\ndata: {event}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_of_our_call_is_found_among_other_blocks() {
        let result = json!({"type": "tool_result", "tool_use_id": CALL_ID, "content": "ok"});
        let other = json!({"type": "tool_result", "tool_use_id": "toolu_other", "content": "no"});
        let request = json!({"messages": [
            {"role": "user", "content": "plain text"}, {"role": "user", "content": [other, result]},
        ]});
        assert_eq!(find_result(&request), Some(result));
        assert_eq!(find_result(&json!({"messages": []})), None);
    }

    #[test]
    fn a_tool_that_is_not_offered_is_not_asked_for() {
        let request = json!({"tools": [{"name": "mcp__m2a__send_message"}]});
        assert!(offers(&request, "mcp__m2a__send_message"));
        assert!(!offers(&request, "mcp__m2a__read_message"));
        assert!(!offers(&json!({}), "mcp__m2a__send_message"));
    }
}
