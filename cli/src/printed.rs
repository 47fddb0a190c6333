//! Messages as the commands print them.

use msg2agent::{Message, MessageType, Sent, Status};
use serde::Serialize;
use serde_json::Value;

use crate::output::{Output, Tone, visible};

/// A message that arrived.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PrintedMessage {
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

impl PrintedMessage {
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
        let head = format!("{} {} from {}", time(self.time), word(self.r#type), self.from);
        format!("{}\n  {}", output.paint(Tone::Quiet, head), body(&self.content))
    }
}

/// A message that was sent.
#[derive(Debug, Serialize)]
pub(crate) struct PrintedSent {
    id: String,
    to: String,
    status: Status,
}

impl PrintedSent {
    pub(crate) fn new(sent: &Sent) -> Self {
        Self { id: sent.id.to_string(), to: sent.to.to_string(), status: sent.status }
    }

    pub(crate) fn text(&self, output: &Output) -> String {
        let (status, note) = match self.status {
            Status::Stored => ("stored", "it waits until the recipient takes it"),
            Status::Delivered => ("delivered", "the recipient acknowledged it"),
            Status::Forwarded => ("forwarded", "no promise"),
        };
        let note = output.paint(Tone::Quiet, format_args!("{note}; {}", self.id));
        format!("{} to {}\n  {note}", output.paint(Tone::Good, status), self.to)
    }
}

/// A content for people: a text as it is, anything else as JSON.
pub(crate) fn body(content: &Value) -> String {
    match content {
        Value::String(text) => visible(text),
        other => visible(&other.to_string()),
    }
}

/// RFC 3339, UTC.
pub(crate) fn time(seconds: u64) -> String {
    let timestamp = i64::try_from(seconds).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
    timestamp.map_or_else(|| format!("@{seconds}"), |t| t.to_string())
}

pub(crate) const fn word(r#type: MessageType) -> &'static str {
    match r#type {
        MessageType::Request => "request",
        MessageType::Response => "response",
        MessageType::Error => "error",
        MessageType::Event => "event",
        MessageType::Receipt => "receipt",
        MessageType::Typing => "typing",
    }
}
