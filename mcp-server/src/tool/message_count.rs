//! `message_count`: counts the messages of the inbox.

use protocol::limits::{DID_BYTES_MAX, THREAD_BYTES_MAX};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::agent_reference;
use super::hints::Hints;
use super::toolbox::{Tool, Toolbox};
use crate::inbox::MessageFilter;
use crate::network::SessionStatus;
use crate::scope::Scope;
use crate::tool_error::ToolError;

pub(super) struct MessageCount;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageCountArguments {
    /// Only messages of this sender: a name in your own tenant, or a whole DID.
    #[schemars(length(min = 1, max = DID_BYTES_MAX))]
    from: Option<String>,
    /// Only messages of this conversation.
    #[schemars(length(min = 1, max = THREAD_BYTES_MAX))]
    thread: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MessageCountAnswer {
    /// Messages in the inbox, read and unread, that fit the arguments.
    total: u64,
    /// Those of them that were not read yet.
    unread: u64,
    /// Whether the inbox is full: further messages wait at the relay until some here are read or
    /// deleted.
    full: bool,
    /// New messages come only while connected.
    session: SessionStatus,
}

impl Tool for MessageCount {
    const NAME: &'static str = "message_count";
    const TITLE: &'static str = "Count received messages";
    const DESCRIPTION: &'static str = "Counts the messages in the inbox, and how many of them are unread.";
    const HINTS: Hints = Hints::ReadsOwn;
    const SCOPE: Scope = Scope::Read;
    type Arguments = MessageCountArguments;
    type Answer = MessageCountAnswer;

    async fn call(
        toolbox: &Toolbox,
        arguments: MessageCountArguments,
    ) -> Result<MessageCountAnswer, ToolError> {
        let own = toolbox.network.own_agent().did;
        let from = arguments.from.map(|from| agent_reference::resolve(&from, &own)).transpose()?;
        let filter = MessageFilter { from, thread: arguments.thread, unread: false };
        toolbox.network.ensure_connected().await;
        let inbox = &toolbox.store.inbox;
        let (total, unread) = inbox.count(&filter).await.map_err(ToolError::Database)?;
        let full = !inbox.has_capacity().await.map_err(ToolError::Database)?;
        Ok(MessageCountAnswer { total, unread, full, session: toolbox.network.own_agent().session })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fixtures::{ToolboxFixture, message, message_id};

    #[tokio::test]
    async fn unread_ones_are_counted_apart() {
        let network = ToolboxFixture::new().await;
        for (n, from) in [(1, "bob"), (2, "carol"), (3, "bob")] {
            network.arrive(message(n, from, "hello")).await;
        }
        network.call("read_message", json!({"id": message_id(1).to_string()})).await.unwrap();
        let all = network.call("message_count", json!({})).await.unwrap();
        assert_eq!((&all["total"], &all["unread"], &all["full"]), (&json!(3), &json!(2), &json!(false)));
        let bob = network.call("message_count", json!({"from": "bob"})).await.unwrap();
        assert_eq!((&bob["total"], &bob["unread"]), (&json!(2), &json!(1)));
    }
}
