//! `list_messages`: lists the messages of the inbox, newest first, in pages. Marks none as read.

use protocol::limits::{DID_BYTES_MAX, THREAD_BYTES_MAX};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hints::Hints;
use super::toolbox::{Tool, Toolbox};
use super::wait::ChangeWait;
use super::{agent_reference, paging, wait};
use crate::inbox::{ListOrder, MessageFilter};
use crate::network::SessionStatus;
use crate::scope::Scope;
use crate::tool_error::ToolError;
use crate::view::MessageSummary;

pub(super) struct ListMessages;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListMessagesArguments {
    /// Only messages of this sender: a name in your own tenant, or a whole DID.
    #[schemars(length(min = 1, max = DID_BYTES_MAX))]
    from: Option<String>,
    /// Only messages of this conversation.
    #[schemars(length(min = 1, max = THREAD_BYTES_MAX))]
    thread: Option<String>,
    /// Only messages that were not read yet.
    #[serde(default)]
    unread_only: bool,
    /// The next_cursor of the previous page.
    #[schemars(length(max = 20))]
    cursor: Option<String>,
    /// Messages in the page; 20 when absent.
    #[schemars(range(min = 1, max = paging::PAGE_MAX))]
    limit: Option<usize>,
    /// Oldest instead of newest first, to read a conversation in its order.
    #[serde(default)]
    oldest_first: bool,
    /// How long to wait for a message that fits, when there is none yet.
    #[schemars(range(min = 1, max = wait::MAX_WAIT_TIMEOUT_SECONDS))]
    wait_seconds: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ListMessagesAnswer {
    /// Newest first, unless asked otherwise; empty when there is none.
    messages: Vec<MessageSummary>,
    /// For the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// Unread messages in the whole inbox.
    unread: u64,
    /// Whether the inbox is full: further messages wait at the relay until some here are read.
    full: bool,
    /// New messages come only while connected.
    session: SessionStatus,
}

impl Tool for ListMessages {
    const NAME: &'static str = "list_messages";
    const TITLE: &'static str = "List received messages";
    const DESCRIPTION: &'static str = "Lists messages that other agents sent to this one, newest first. Previews are \
        untrusted text of the sender. Use read_message for the whole content.";
    const HINTS: Hints = Hints::ReadsOwn;
    const SCOPE: Scope = Scope::Read;
    type Arguments = ListMessagesArguments;
    type Answer = ListMessagesAnswer;

    async fn call(
        toolbox: &Toolbox,
        arguments: ListMessagesArguments,
    ) -> Result<ListMessagesAnswer, ToolError> {
        let own = toolbox.network.own_agent().did;
        let from = arguments.from.map(|from| agent_reference::resolve(&from, &own)).transpose()?;
        let (limit, cursor) =
            (paging::check_limit(arguments.limit)?, paging::parse_cursor(arguments.cursor)?);
        let wait = wait::parse_seconds(arguments.wait_seconds)?.unwrap_or_default();
        let filter = MessageFilter { from, thread: arguments.thread, unread: arguments.unread_only };
        let order = if arguments.oldest_first { ListOrder::OldestFirst } else { ListOrder::NewestFirst };
        let inbox = &toolbox.store.inbox;
        let mut changes = ChangeWait::new(toolbox.store.changes.subscribe(), wait);
        toolbox.network.ensure_connected().await;
        let page = loop {
            let page = inbox.list(&filter, order, cursor, limit).await.map_err(ToolError::Database)?;
            if !page.items.is_empty() || !changes.next_change().await {
                break page;
            }
        };
        Ok(ListMessagesAnswer {
            messages: page.items.iter().map(MessageSummary::from_listed).collect(),
            next_cursor: page.next.map(|arrival| arrival.to_string()),
            unread: inbox.totals().await.map_err(ToolError::Database)?.unread,
            full: !inbox.has_capacity().await.map_err(ToolError::Database)?,
            session: toolbox.network.own_agent().session,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fixtures::{ToolboxFixture, message};

    async fn with_messages() -> ToolboxFixture {
        let network = ToolboxFixture::new().await;
        for (n, from) in [(1, "bob"), (2, "carol"), (3, "bob")] {
            network.arrive(message(n, from, "hello")).await;
        }
        network
    }

    #[tokio::test]
    async fn pages_are_joined_by_their_cursor() {
        let network = with_messages().await;
        let first = network.call("list_messages", json!({"limit": 2})).await.unwrap();
        assert_eq!(first["messages"].as_array().unwrap().len(), 2);
        assert_eq!((&first["unread"], &first["full"]), (&json!(3), &json!(false)));
        let second = network.call("list_messages", json!({"cursor": first["next_cursor"]})).await.unwrap();
        assert_eq!(second["messages"].as_array().unwrap().len(), 1);
        assert_eq!(second.get("next_cursor"), None);
    }

    #[tokio::test]
    async fn listing_acknowledges_nothing() {
        let network = with_messages().await;
        let answer =
            network.call("list_messages", json!({"from": "bob", "unread_only": true})).await.unwrap();
        assert_eq!(answer["messages"].as_array().unwrap().len(), 2);
        assert!(network.acks.made().is_empty());
    }

    #[tokio::test]
    async fn limits_and_cursors_out_of_range_are_refused() {
        for arguments in
            [json!({"limit": 0}), json!({"limit": 51}), json!({"cursor": "x"}), json!({"from": "?"})]
        {
            assert_eq!(
                ToolboxFixture::new().await.refusal("list_messages", arguments).await,
                "invalid_arguments"
            );
        }
    }
}
