//! Formats messages for text and JSON output.

use msg2agent::{Message, MessageType, Path, SendStatus, Sent};
use serde::Serialize;
use serde_json::Value;

use crate::output::{Output, Tone, visible};

/// A received message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageView {
    id: String,
    from: String,
    r#type: MessageType,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    re: Option<String>,
    /// Seconds since the epoch, by the sender's clock.
    time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    content_type: String,
    content: Value,
}

impl MessageView {
    pub(crate) fn new(message: &Message) -> Self {
        let content = message.content();
        Self {
            id: message.id().to_string(),
            from: message.from().to_string(),
            r#type: message.message_type(),
            thread: message.thread().map(str::to_owned),
            re: message.re().map(|id| id.to_string()),
            time: message.time(),
            method: content.method.clone(),
            content_type: content.content_type.clone(),
            content: content.content.clone(),
        }
    }

    pub(crate) fn text(&self, output: &Output) -> String {
        let head = format!("{} {} from {}", format_time(self.time), self.r#type.as_str(), self.from);
        format!("{}\n  {}", output.paint(Tone::Quiet, head), format_content(&self.content))
    }
}

/// A sent message.
#[derive(Debug, Serialize)]
pub(crate) struct SentView {
    id: String,
    to: String,
    status: SendStatus,
    /// `direct`, or `relay`.
    path: &'static str,
}

impl SentView {
    pub(crate) fn new(sent: &Sent) -> Self {
        Self {
            id: sent.id.to_string(),
            to: sent.to.to_string(),
            status: sent.status,
            path: sent.path.as_str(),
        }
    }

    pub(crate) fn text(&self, output: &Output) -> String {
        let (status, note) = match self.status {
            SendStatus::Stored => ("stored", "the relay stores it until the recipient acknowledges it"),
            SendStatus::Delivered => ("delivered", "the recipient acknowledged it"),
            SendStatus::Forwarded => ("forwarded", "ephemeral; delivery is not confirmed"),
        };
        let way = if self.path == Path::Direct.as_str() { "directly; " } else { "" };
        let note = output.paint(Tone::Quiet, format_args!("{way}{note}; {}", self.id));
        format!("{} to {}\n  {note}", output.paint(Tone::Good, status), self.to)
    }
}

/// A content as text: a string as it is, anything else as JSON.
pub(crate) fn format_content(content: &Value) -> String {
    match content {
        Value::String(text) => visible(text),
        other => visible(&other.to_string()),
    }
}

/// A time in RFC 3339, UTC.
pub(crate) fn format_time(seconds: u64) -> String {
    let timestamp = i64::try_from(seconds).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
    timestamp.map_or_else(|| format!("@{seconds}"), |t| t.to_string())
}
