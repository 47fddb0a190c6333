//! Inbox and tasks as MCP resources: `msg2agent://inbox`, `msg2agent://tasks`, and one address for each message and task. MessageView
//! a resource changes nothing; the tools mark messages as read.

use protocol::envelope::MessageId;
use serde_json::{Value, json};

use crate::change_feed::Change;
use crate::inbox;
use crate::message_store::MessageStore;
use crate::tool_error::ToolError;
use crate::scope::Scope;
use crate::tasks;
use crate::view::{MESSAGES_SHOWN, MessageView, MessageSummary, TaskView, TaskSummary};

mod listing;

pub use listing::{resources, templates};

/// Entries of a listing; the tools page through the rest.
const LISTED_MAX: usize = 50;

const INBOX: &str = "msg2agent://inbox";
const TASKS: &str = "msg2agent://tasks";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    Inbox,
    Message(MessageId),
    Tasks,
    Task(MessageId),
}

impl Address {
    /// `None`: no resource of this server has such an address.
    #[must_use]
    pub fn parse(uri: &str) -> Option<Self> {
        match uri {
            INBOX => Some(Self::Inbox),
            TASKS => Some(Self::Tasks),
            _ => {
                let (kind, id) = uri.rsplit_once('/')?;
                let id = id.parse().ok()?;
                match kind {
                    INBOX => Some(Self::Message(id)),
                    TASKS => Some(Self::Task(id)),
                    _ => None,
                }
            }
        }
    }

    #[must_use]
    pub fn uri(self) -> String {
        match self {
            Self::Inbox => INBOX.to_owned(),
            Self::Message(id) => format!("{INBOX}/{id}"),
            Self::Tasks => TASKS.to_owned(),
            Self::Task(id) => format!("{TASKS}/{id}"),
        }
    }

    /// What a caller needs to read it.
    #[must_use]
    pub const fn scope(self) -> Scope {
        match self {
            Self::Inbox | Self::Message(_) => Scope::Read,
            Self::Tasks | Self::Task(_) => Scope::Tasks,
        }
    }

    /// Whether a change is one of this resource.
    #[must_use]
    pub fn is_touched_by(self, change: &Change) -> bool {
        match change {
            Change::MessageArrived { id, .. } | Change::MessageReadOrDeleted { id } => {
                matches!(self, Self::Inbox) || self == Self::Message(*id)
            }
            Change::TaskAdded { id } | Change::TaskChanged { id } => {
                matches!(self, Self::Tasks) || self == Self::Task(*id)
            }
        }
    }

    /// The resource as JSON.
    ///
    /// # Errors
    /// It is not here, its id is ambiguous, or the file cannot be read.
    pub async fn read(self, store: &MessageStore) -> Result<Value, ToolError> {
        match self {
            Self::Inbox => inbox(store).await,
            Self::Message(id) => message(store, id).await,
            Self::Tasks => tasks(store).await,
            Self::Task(id) => task(store, id).await,
        }
    }
}

async fn inbox(store: &MessageStore) -> Result<Value, ToolError> {
    let filter = inbox::MessageFilter::default();
    let page = store.inbox.list(&filter, inbox::ListOrder::NewestFirst, None, LISTED_MAX).await;
    let page = page.map_err(ToolError::Database)?;
    let totals = store.inbox.totals().await.map_err(ToolError::Database)?;
    let messages: Vec<_> = page.items.iter().map(MessageSummary::of).collect();
    Ok(json!({"messages": messages, "more": page.next.is_some(), "unread": totals.unread}))
}

async fn message(store: &MessageStore, id: MessageId) -> Result<Value, ToolError> {
    let entry = store.inbox.find(id, None).await.map_err(ToolError::Find)?;
    to_json(&MessageView::of(&entry.message, 0))
}

async fn tasks(store: &MessageStore) -> Result<Value, ToolError> {
    let page =
        store.tasks.list(&tasks::TaskFilter::default(), None, LISTED_MAX).await.map_err(ToolError::Database)?;
    let open = store.tasks.open_count().await.map_err(ToolError::Database)?;
    let listed: Vec<_> = page.tasks.iter().map(TaskSummary::of).collect();
    Ok(json!({"tasks": listed, "more": page.next.is_some(), "open": open}))
}

async fn task(store: &MessageStore, id: MessageId) -> Result<Value, ToolError> {
    let task = store.tasks.find(id, None).await.map_err(ToolError::FindTask)?;
    let entries = store.tasks.entries(&task, MESSAGES_SHOWN).await.map_err(ToolError::Database)?;
    to_json(&TaskView::of(&task, &entries, false))
}

fn to_json(view: &impl serde::Serialize) -> Result<Value, ToolError> {
    serde_json::to_value(view).map_err(|_| ToolError::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{ToolboxFixture, did, message, message_id};

    #[test]
    fn an_address_is_read_as_it_is_written() {
        let id = message_id(1);
        for address in [Address::Inbox, Address::Message(id), Address::Tasks, Address::Task(id)] {
            assert_eq!(Address::parse(&address.uri()), Some(address));
        }
        for uri in
            ["", "msg2agent://inbox/", "msg2agent://inbox/1", "msg2agent://other", "file:///etc/passwd"]
        {
            assert_eq!(Address::parse(uri), None, "{uri}");
        }
        let inside = format!("msg2agent://inbox/x/{id}");
        assert_eq!(Address::parse(&inside), None);
    }

    #[test]
    fn a_change_touches_its_entry_and_its_listing() {
        let arrived = Change::MessageArrived { id: message_id(1), from: did("bob") };
        let touched = |address: Address| address.is_touched_by(&arrived);
        assert!(touched(Address::Inbox) && touched(Address::Message(message_id(1))));
        assert!(!touched(Address::Message(message_id(2))));
        assert!(!touched(Address::Tasks) && !touched(Address::Task(message_id(1))));
        let changed = Change::TaskChanged { id: message_id(1) };
        assert!(
            Address::Task(message_id(1)).is_touched_by(&changed) && Address::Tasks.is_touched_by(&changed)
        );
    }

    #[tokio::test]
    async fn reading_a_message_as_resource_leaves_it_unread() {
        let network = ToolboxFixture::new().await;
        network.arrive(message(1, "bob", "hello")).await;
        let store = &network.toolbox.store;
        let read = Address::Message(message_id(1)).read(store).await.unwrap();
        assert_eq!(read["untrusted"]["text"], "hello");
        let inbox = Address::Inbox.read(store).await.unwrap();
        assert_eq!((&inbox["unread"], &inbox["messages"][0]["unread"]), (&json!(1), &json!(true)));
        let absent = Address::Task(message_id(1)).read(store).await.unwrap_err();
        assert_eq!(absent.reason(), "unknown_task");
    }
}
