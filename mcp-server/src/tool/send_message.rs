//! `send_message`: sends one encrypted, signed message to one agent, and can wait for its reply.

use protocol::envelope::{Content, MessageId, MessageType};
use protocol::frame::SendStatus;
use protocol::limits::{CONTENT_BYTES_MAX, DID_BYTES_MAX, THREAD_BYTES_MAX};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::hints::Hints;
use super::read_message::read_part;
use super::toolbox::{Tool, Toolbox};
use super::{agent_reference, content, wait};
use crate::network::{OutgoingMessage, RequestOutcome, SentMessage};
use crate::scope::Scope;
use crate::tool_error::ToolError;
use crate::view::{MessageView, send_status_schema};

pub(super) struct SendMessage;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SendMessageArguments {
    /// The recipient: the name of an agent in your own tenant, or a whole DID.
    #[schemars(length(min = 1, max = DID_BYTES_MAX))]
    to: String,
    /// The message as text. Give either text or json.
    #[schemars(length(max = CONTENT_BYTES_MAX))]
    text: Option<String>,
    /// The message as a JSON object. Give either text or json.
    json: Option<Map<String, Value>>,
    /// A label that joins the messages of one conversation.
    #[schemars(length(min = 1, max = THREAD_BYTES_MAX))]
    thread: Option<String>,
    /// The id of the received message that this one answers.
    #[schemars(length(min = 36, max = 36))]
    re: Option<String>,
    /// How long to wait for the recipient's reply. Without it, the call returns when the message is
    /// accepted.
    #[schemars(range(min = 1, max = wait::MAX_WAIT_TIMEOUT_SECONDS))]
    wait_seconds: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SendMessageAnswer {
    /// The id of the message that was sent.
    id: String,
    /// The recipient's DID.
    to: String,
    /// stored: safe on the relay's disk, the recipient gets it when it is online. delivered: the
    /// recipient has confirmed it. forwarded: handed over without confirmation.
    #[schemars(schema_with = "send_status_schema")]
    status: SendStatus,
    /// The recipient's reply, when one came while waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<MessageView>,
    /// Whether the wait ended without a reply. A later one appears in list_messages with `re` set
    /// to this id.
    timed_out: bool,
}

impl Tool for SendMessage {
    const NAME: &'static str = "send_message";
    const TITLE: &'static str = "Send a message to an agent";
    const DESCRIPTION: &'static str = "Sends an end-to-end encrypted, signed message from this agent to another one. \
        The recipient may be offline: the relay keeps the message for up to seven days. Each call sends a new message.";
    const HINTS: Hints = Hints::Sends;
    const SCOPE: Scope = Scope::Send;
    type Arguments = SendMessageArguments;
    type Answer = SendMessageAnswer;

    async fn call(
        toolbox: &Toolbox,
        arguments: SendMessageArguments,
    ) -> Result<SendMessageAnswer, ToolError> {
        let wait = wait::parse_seconds(arguments.wait_seconds)?;
        let message = arguments.into_message(toolbox)?;
        let to = message.to.to_string();
        let Some(wait) = wait else {
            let SentMessage { id, status } = toolbox.network.send(message).await?;
            return Ok(SendMessageAnswer { id: id.to_string(), to, status, reply: None, timed_out: false });
        };
        let outcome = toolbox.network.request(message, wait).await?;
        let RequestOutcome { sent: SentMessage { id, status }, reply } = outcome;
        let reply = match reply {
            Some((message, acknowledgement)) => {
                let (id, from) = (message.head.id, message.head.from.clone());
                // A reply is stored like any message, so that a long one can be read to its end.
                toolbox.store.receive(message, acknowledgement).await;
                Some(read_part(&toolbox.store, id, Some(&from), 0).await?)
            }
            None => None,
        };
        let timed_out = reply.is_none();
        Ok(SendMessageAnswer { id: id.to_string(), to, status, reply, timed_out })
    }
}

impl SendMessageArguments {
    fn into_message(self, toolbox: &Toolbox) -> Result<OutgoingMessage, ToolError> {
        let to = agent_reference::resolve(&self.to, &toolbox.network.own_agent().did)?;
        let re = self.re.map(|id| id.parse::<MessageId>()).transpose().map_err(|_| ToolError::MessageId)?;
        if self.thread.as_ref().is_some_and(|t| t.is_empty() || t.len() > THREAD_BYTES_MAX) {
            return Err(ToolError::Arguments(format!("thread must have 1 to {THREAD_BYTES_MAX} bytes")));
        }
        let content = match content::text_or_json(self.text, self.json)? {
            Value::String(text) => Content::text(text),
            json => Content::json(json),
        };
        // A response ends the request of an agent that waits for it.
        let kind = if re.is_some() { MessageType::Response } else { MessageType::Event };
        Ok(OutgoingMessage {
            to,
            id: None,
            kind,
            content: content::check_size(content)?,
            thread: self.thread,
            re,
        })
    }
}

#[cfg(test)]
mod tests {
    use protocol::Reason;
    use serde_json::json;

    use super::*;
    use crate::fixtures::{ToolboxFixture, did, message, message_id};
    use crate::network::NetworkError;
    use crate::view::CONTENT_PART_BYTES_MAX;

    #[tokio::test]
    async fn a_name_reaches_an_agent_of_the_own_tenant() {
        let network = ToolboxFixture::new().await;
        let answer =
            network.call("send_message", json!({"to": "bob", "text": "hi", "thread": "t1"})).await.unwrap();
        assert_eq!(answer["to"], "did:wba:example.com:agent:acme:bob");
        assert_eq!((&answer["status"], &answer["timed_out"]), (&json!("stored"), &json!(false)));
        let sent = network.sent();
        assert_eq!((&sent[0].to, &sent[0].content), (&did("bob"), &Content::text("hi")));
        assert_eq!(sent[0].thread.as_deref(), Some("t1"));
    }

    #[tokio::test]
    async fn a_reply_comes_back_with_the_call_and_is_acknowledged() {
        let network = ToolboxFixture::new().await;
        network.reply_with(message(5, "bob", "hello yourself"));
        let arguments = json!({"to": "bob", "json": {"a": 1}, "wait_seconds": 5});
        let answer = network.call("send_message", arguments).await.unwrap();
        assert_eq!(answer["reply"]["untrusted"]["text"], "hello yourself");
        assert_eq!(answer["reply"]["sender"]["verified"], true);
        assert_eq!(network.acks.made(), [0]);
    }

    #[tokio::test]
    async fn a_long_reply_stays_unread_until_its_end_was_read() {
        let network = ToolboxFixture::new().await;
        network.reply_with(message(5, "bob", &"x".repeat(CONTENT_PART_BYTES_MAX + 1)));
        let answer = network
            .call("send_message", json!({"to": "bob", "text": "hi", "wait_seconds": 5}))
            .await
            .unwrap();
        assert_eq!(answer["reply"]["next_offset"], CONTENT_PART_BYTES_MAX);
        assert!(network.acks.made().is_empty());
        let arguments = json!({"id": message_id(5).to_string(), "offset": CONTENT_PART_BYTES_MAX});
        network.call("read_message", arguments).await.unwrap();
        assert_eq!(network.acks.made(), [0]);
    }

    #[tokio::test]
    async fn a_wait_without_reply_says_so() {
        let answer = ToolboxFixture::new()
            .await
            .call("send_message", json!({"to": "bob", "text": "hi", "wait_seconds": 5}))
            .await
            .unwrap();
        assert_eq!(answer["timed_out"], true);
        assert_eq!(answer.get("reply"), None);
    }

    #[tokio::test]
    async fn bad_arguments_send_nothing() {
        let long = "x".repeat(CONTENT_BYTES_MAX);
        for (arguments, reason) in [
            (json!({"to": "bob"}), "invalid_arguments"),
            (json!({"to": "bob", "text": "a", "json": {}}), "invalid_arguments"),
            (json!({"to": "bob", "text": "a", "wait_seconds": 41}), "invalid_arguments"),
            (json!({"to": "bob", "text": "a", "thread": "x".repeat(65)}), "invalid_arguments"),
            (json!({"to": "bob", "text": "a", "re": "no id"}), "invalid_arguments"),
            (json!({"to": "bob", "text": "a", "cc": "carol"}), "invalid_arguments"),
            (json!({"to": "bob", "text": long}), "too_large"),
        ] {
            let network = ToolboxFixture::new().await;
            assert_eq!(network.refusal("send_message", arguments.clone()).await, reason, "{arguments}");
            assert!(network.sent().is_empty());
        }
    }

    #[tokio::test]
    async fn a_refusal_of_the_relay_keeps_its_reason() {
        for reason in [Reason::NotFound, Reason::RateLimited, Reason::MailboxFull] {
            let network = ToolboxFixture::new().await;
            network.refuse_with(NetworkError::Relay { reason, retry_after_ms: Some(7), quota: None });
            assert_eq!(
                network.refusal("send_message", json!({"to": "bob", "text": "a"})).await,
                reason.as_str()
            );
        }
    }
}
