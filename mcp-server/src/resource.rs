//! Inbox and tasks as MCP resources: `msg2agent://inbox`, `msg2agent://tasks`, and one address for each message and task. Reading
//! a resource changes nothing; the tools mark messages as read.

use protocol::envelope::MessageId;
use serde_json::{Value, json};

use crate::changes::Change;
use crate::inbox;
use crate::mailbox::Mailbox;
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::tasks;
use crate::view::{MESSAGES_SHOWN, Reading, Summary, TaskReading, TaskSummary};

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
            Change::Arrived { id, .. } | Change::Gone { id } => {
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
    pub async fn read(self, mailbox: &Mailbox) -> Result<Value, Refusal> {
        match self {
            Self::Inbox => inbox(mailbox).await,
            Self::Message(id) => message(mailbox, id).await,
            Self::Tasks => tasks(mailbox).await,
            Self::Task(id) => task(mailbox, id).await,
        }
    }
}

async fn inbox(mailbox: &Mailbox) -> Result<Value, Refusal> {
    let filter = inbox::Filter::default();
    let page = mailbox.inbox.list(&filter, inbox::Order::NewestFirst, None, LISTED_MAX).await;
    let page = page.map_err(Refusal::Store)?;
    let totals = mailbox.inbox.totals().await.map_err(Refusal::Store)?;
    let messages: Vec<_> = page.items.iter().map(Summary::of).collect();
    Ok(json!({"messages": messages, "more": page.next.is_some(), "unread": totals.unread}))
}

async fn message(mailbox: &Mailbox, id: MessageId) -> Result<Value, Refusal> {
    let entry = mailbox.inbox.find(id, None).await.map_err(Refusal::Find)?;
    to_json(&Reading::of(&entry.message, 0))
}

async fn tasks(mailbox: &Mailbox) -> Result<Value, Refusal> {
    let page =
        mailbox.tasks.list(&tasks::Filter::default(), None, LISTED_MAX).await.map_err(Refusal::Store)?;
    let open = mailbox.tasks.open_count().await.map_err(Refusal::Store)?;
    let listed: Vec<_> = page.tasks.iter().map(TaskSummary::of).collect();
    Ok(json!({"tasks": listed, "more": page.next.is_some(), "open": open}))
}

async fn task(mailbox: &Mailbox, id: MessageId) -> Result<Value, Refusal> {
    let task = mailbox.tasks.find(id, None).await.map_err(Refusal::FindTask)?;
    let entries = mailbox.tasks.entries(&task, MESSAGES_SHOWN).await.map_err(Refusal::Store)?;
    to_json(&TaskReading::of(&task, &entries, false))
}

fn to_json(view: &impl serde::Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(view).map_err(|_| Refusal::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Scripted, did, message, message_id};

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
        let arrived = Change::Arrived { id: message_id(1), from: did("bob") };
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
        let network = Scripted::new().await;
        network.arrive(message(1, "bob", "hello")).await;
        let mailbox = &network.toolbox.mailbox;
        let read = Address::Message(message_id(1)).read(mailbox).await.unwrap();
        assert_eq!(read["untrusted"]["text"], "hello");
        let inbox = Address::Inbox.read(mailbox).await.unwrap();
        assert_eq!((&inbox["unread"], &inbox["messages"][0]["unread"]), (&json!(1), &json!(true)));
        let absent = Address::Task(message_id(1)).read(mailbox).await.unwrap_err();
        assert_eq!(absent.reason(), "unknown_task");
    }
}
