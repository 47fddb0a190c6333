//! The contents of the resources, as JSON. Reading a resource changes nothing; only the tools mark
//! messages as read.

use protocol::envelope::MessageId;
use serde_json::{Value, json};

use super::uri::ResourceUri;
use crate::inbox::{ListOrder, MessageFilter};
use crate::message_store::MessageStore;
use crate::tasks::TaskFilter;
use crate::tool_error::ToolError;
use crate::view::{MESSAGES_SHOWN, MessageSummary, MessageView, TaskSummary, TaskView};

/// Entries of a listing; the tools page through the rest.
const LISTED_MAX: usize = 50;

/// Reads a resource.
///
/// # Errors
/// The resource does not exist, its id is ambiguous, or the database cannot be read.
pub async fn read(uri: ResourceUri, store: &MessageStore) -> Result<Value, ToolError> {
    match uri {
        ResourceUri::Inbox => inbox(store).await,
        ResourceUri::Message(id) => message(store, id).await,
        ResourceUri::Tasks => tasks(store).await,
        ResourceUri::Task(id) => task(store, id).await,
    }
}

async fn inbox(store: &MessageStore) -> Result<Value, ToolError> {
    let filter = MessageFilter::default();
    let page = store.inbox.list(&filter, ListOrder::NewestFirst, None, LISTED_MAX).await;
    let page = page.map_err(ToolError::Database)?;
    let totals = store.inbox.totals().await.map_err(ToolError::Database)?;
    let messages: Vec<_> = page.items.iter().map(MessageSummary::from_listed).collect();
    Ok(json!({"messages": messages, "more": page.next.is_some(), "unread": totals.unread}))
}

async fn message(store: &MessageStore, id: MessageId) -> Result<Value, ToolError> {
    let stored = store.inbox.find(id, None).await.map_err(ToolError::FindMessage)?;
    to_json(&MessageView::from_received(&stored.message, 0))
}

async fn tasks(store: &MessageStore) -> Result<Value, ToolError> {
    let page = store.tasks.list(&TaskFilter::default(), None, LISTED_MAX).await;
    let page = page.map_err(ToolError::Database)?;
    let open = store.tasks.open_count().await.map_err(ToolError::Database)?;
    let tasks: Vec<_> = page.tasks.iter().map(TaskSummary::from_task).collect();
    Ok(json!({"tasks": tasks, "more": page.next.is_some(), "open": open}))
}

async fn task(store: &MessageStore, id: MessageId) -> Result<Value, ToolError> {
    let task = store.tasks.find(id, None).await.map_err(ToolError::FindTask)?;
    let entries = store.tasks.entries(&task, MESSAGES_SHOWN).await.map_err(ToolError::Database)?;
    to_json(&TaskView::from_entries(&task, &entries, false))
}

fn to_json(view: &impl serde::Serialize) -> Result<Value, ToolError> {
    serde_json::to_value(view).map_err(|_| ToolError::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{self, ToolboxFixture, message_id};

    #[tokio::test]
    async fn reading_a_message_as_resource_leaves_it_unread() {
        let network = ToolboxFixture::new().await;
        network.arrive(fixtures::message(1, "bob", "hello")).await;
        let store = &network.toolbox.store;
        let message = read(ResourceUri::Message(message_id(1)), store).await.unwrap();
        assert_eq!(message["untrusted"]["text"], "hello");
        let inbox = read(ResourceUri::Inbox, store).await.unwrap();
        assert_eq!((&inbox["unread"], &inbox["messages"][0]["unread"]), (&json!(1), &json!(true)));
        let absent = read(ResourceUri::Task(message_id(1)), store).await.unwrap_err();
        assert_eq!(absent.reason(), "unknown_task");
    }
}
