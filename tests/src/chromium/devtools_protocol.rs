//! Speaks the DevTools protocol as far as one page needs it: calls with their answers, and the
//! events in between.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Time for one answer on a busy machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Events that are kept: a sign-in makes some thirty.
const EVENTS_MAX: usize = 1000;
/// The domains whose events are enabled.
const DOMAINS: [&str; 5] = ["Page", "Runtime", "Network", "Log", "Audits"];

/// A connection to a browser, attached to one page of it.
pub(super) struct DevTools {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: Option<String>,
    last_id: u64,
    events: Vec<Value>,
}

impl DevTools {
    pub(super) async fn open(url: &str) -> anyhow::Result<Self> {
        let (socket, _) = connect_async(url).await.context("connect to the browser")?;
        let mut tools = Self { socket, session: None, last_id: 0, events: Vec::new() };
        let page = tools.call("Target.createTarget", json!({"url": "about:blank"})).await?;
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let attached = tools.call("Target.attachToTarget", attach).await?;
        tools.session = Some(attached["sessionId"].as_str().context("a session with the page")?.to_owned());
        for domain in DOMAINS {
            tools.call(&format!("{domain}.enable"), json!({})).await?;
        }
        Ok(tools)
    }

    pub(super) async fn call(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.last_id += 1;
        let mut request = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(request.to_string())).await.context("tell the browser")?;
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.answer(self.last_id)).await;
        answer.with_context(|| format!("{method} is not answered"))?.with_context(|| method.to_owned())
    }

    /// The events so far, in order.
    pub(super) fn events(&self) -> &[Value] {
        &self.events
    }

    async fn answer(&mut self, id: u64) -> anyhow::Result<Value> {
        while let Some(message) = self.socket.next().await {
            let Message::Text(text) = message.context("hear the browser")? else { continue };
            let said: Value = serde_json::from_str(&text).context("read what the browser said")?;
            if said["id"] == id {
                ensure!(said.get("error").is_none(), "{}", said["error"]);
                return Ok(said["result"].clone());
            }
            if said.get("method").is_some() && self.events.len() < EVENTS_MAX {
                self.events.push(said);
            }
        }
        bail!("the browser is gone")
    }
}
