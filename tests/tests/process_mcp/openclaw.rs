//! Plays the oldest kind of client, like the plugin of OpenClaw: it has a URL and a header with the
//! API key, speaks the first revision of the handshake, reads one JSON answer or one event, and
//! starts again when its session is gone.

use devtools::http_client;
use msg2agent::Content;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;

struct OpenClaw {
    client: reqwest::Client,
    url: String,
    authorization: String,
    session: Option<String>,
    ids: u64,
}

impl OpenClaw {
    fn new(endpoint: &Endpoint) -> Self {
        let authorization = format!("Bearer {}", endpoint.key.reveal());
        Self {
            client: http_client::new().unwrap(),
            url: endpoint.url(),
            authorization,
            session: None,
            ids: 0,
        }
    }

    /// A request; once more in a new session when the server does not know the old one.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        if self.session.is_none() {
            self.initialize().await;
        }
        let request = json!({"method": method, "params": params});
        let mut answer = self.post(&request).await;
        if matches!(answer.status().as_u16(), 404 | 400) {
            self.session = None;
            self.initialize().await;
            answer = self.post(&request).await;
        }
        result(answer).await
    }

    async fn tool(&mut self, name: &str, arguments: Value) -> Value {
        let answer = self.ask("tools/call", json!({"name": name, "arguments": arguments})).await;
        // It reads the text, as clients did before structured content.
        serde_json::from_str(answer["content"][0]["text"].as_str().unwrap()).unwrap()
    }

    async fn initialize(&mut self) {
        let params = json!({
            "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "openclaw", "version": "1.0.0"},
        });
        let answer = self.post(&json!({"method": "initialize", "params": params})).await;
        self.session = Some(answer.headers()["mcp-session-id"].to_str().unwrap().to_owned());
        let agreed = result(answer).await;
        assert_eq!(agreed["protocolVersion"], "2024-11-05");
        let told = self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        assert_eq!(told.status(), 202);
    }

    async fn post(&mut self, request: &Value) -> reqwest::Response {
        self.ids += 1;
        let mut request = request.clone();
        request["jsonrpc"] = "2.0".into();
        request["id"] = self.ids.into();
        self.send(&request).await
    }

    async fn send(&self, body: &Value) -> reqwest::Response {
        let mut request = self.client.post(&self.url).json(body);
        request = request.header("accept", "application/json, text/event-stream");
        request = request.header("authorization", &self.authorization);
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        request.send().await.unwrap()
    }
}

/// JSON, or the first `data:` line of an event stream.
async fn result(answer: reqwest::Response) -> Value {
    assert_eq!(answer.status(), 200);
    let is_stream = answer.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream");
    let text = answer.text().await.unwrap();
    let json = if is_stream {
        text.lines().find_map(|line| line.strip_prefix("data:")).unwrap().trim()
    } else {
        text.as_str()
    };
    let answer: Value = serde_json::from_str(json).unwrap();
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

#[tokio::test]
async fn a_url_and_a_key_header_are_enough() {
    let endpoint = Endpoint::start_in_plaintext().await;
    let mut claw = OpenClaw::new(&endpoint);
    let listed = claw.ask("tools/list", json!({})).await;
    assert_eq!(listed["tools"].as_array().unwrap().len(), 15);
    let sent = claw.tool("send_message", json!({"to": "bob", "text": "from OpenClaw"})).await;
    let arrived = endpoint.bob.inbox().next().await.unwrap();
    assert_eq!(
        (arrived.content(), &sent["id"]),
        (&Content::text("from OpenClaw"), &json!(arrived.id().to_string()))
    );
    let found = claw.tool("get_agent_info", json!({"agent": sent["to"]})).await;
    assert_eq!(found["did"], sent["to"]);
    assert_eq!(claw.tool("get_self_info", json!({})).await["name"], "alice");

    endpoint.bob.send(endpoint.identity().did(), Content::text("for OpenClaw")).await.unwrap();
    endpoint.newest_message().await;
    let inbox = claw.ask("resources/read", json!({"uri": "msg2agent://inbox"})).await;
    let inbox: Value = serde_json::from_str(inbox["contents"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(inbox["unread"], 1, "{inbox}");
}

#[tokio::test]
async fn a_session_that_a_restart_took_is_replaced_by_a_new_one() {
    let mut endpoint = Endpoint::start_in_plaintext().await;
    let mut claw = OpenClaw::new(&endpoint);
    claw.tool("get_self_info", json!({})).await;
    let before = claw.session.clone();
    endpoint.crash_and_restart().await;
    let lost = claw.post(&json!({"method": "tools/list", "params": {}})).await;
    assert_eq!(lost.status(), 404);
    assert_eq!(lost.json::<Value>().await.unwrap()["reason"], "unknown_session");
    assert_eq!(claw.tool("get_self_info", json!({})).await["name"], "alice");
    assert_ne!(claw.session, before);
}
