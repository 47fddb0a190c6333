//! The URIs of the resources: `msg2agent://inbox`, `msg2agent://tasks`, and one for each message
//! and task below them.

use std::fmt;

use protocol::envelope::MessageId;

use crate::change_feed::Change;
use crate::scope::Scope;

const INBOX: &str = "msg2agent://inbox";
const TASKS: &str = "msg2agent://tasks";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceUri {
    Inbox,
    Message(MessageId),
    Tasks,
    Task(MessageId),
}

impl ResourceUri {
    /// `None`: no resource of this server has the URI.
    #[must_use]
    pub fn parse(uri: &str) -> Option<Self> {
        match uri {
            INBOX => Some(Self::Inbox),
            TASKS => Some(Self::Tasks),
            _ => {
                let (parent, id) = uri.rsplit_once('/')?;
                let id = id.parse().ok()?;
                match parent {
                    INBOX => Some(Self::Message(id)),
                    TASKS => Some(Self::Task(id)),
                    _ => None,
                }
            }
        }
    }

    /// The scope that a caller needs to read the resource.
    #[must_use]
    pub const fn scope(self) -> Scope {
        match self {
            Self::Inbox | Self::Message(_) => Scope::Read,
            Self::Tasks | Self::Task(_) => Scope::Tasks,
        }
    }

    /// Whether a change affects this resource.
    #[must_use]
    pub fn is_affected_by(self, change: &Change) -> bool {
        match change {
            Change::MessageArrived { id, .. } | Change::MessageReadOrDeleted { id } => {
                matches!(self, Self::Inbox) || self == Self::Message(*id)
            }
            Change::TaskAdded { id } | Change::TaskChanged { id } => {
                matches!(self, Self::Tasks) || self == Self::Task(*id)
            }
        }
    }
}

impl fmt::Display for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inbox => f.write_str(INBOX),
            Self::Message(id) => write!(f, "{INBOX}/{id}"),
            Self::Tasks => f.write_str(TASKS),
            Self::Task(id) => write!(f, "{TASKS}/{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{did, message_id};

    #[test]
    fn an_address_is_read_as_it_is_written() {
        let id = message_id(1);
        for uri in [ResourceUri::Inbox, ResourceUri::Message(id), ResourceUri::Tasks, ResourceUri::Task(id)] {
            assert_eq!(ResourceUri::parse(&uri.to_string()), Some(uri));
        }
        for uri in
            ["", "msg2agent://inbox/", "msg2agent://inbox/1", "msg2agent://other", "file:///etc/passwd"]
        {
            assert_eq!(ResourceUri::parse(uri), None, "{uri}");
        }
        let inside = format!("msg2agent://inbox/x/{id}");
        assert_eq!(ResourceUri::parse(&inside), None);
    }

    #[test]
    fn a_change_touches_its_entry_and_its_listing() {
        let arrived = Change::MessageArrived { id: message_id(1), from: did("bob") };
        let affected = |uri: ResourceUri| uri.is_affected_by(&arrived);
        assert!(affected(ResourceUri::Inbox) && affected(ResourceUri::Message(message_id(1))));
        assert!(!affected(ResourceUri::Message(message_id(2))));
        assert!(!affected(ResourceUri::Tasks) && !affected(ResourceUri::Task(message_id(1))));
        let changed = Change::TaskChanged { id: message_id(1) };
        assert!(
            ResourceUri::Task(message_id(1)).is_affected_by(&changed)
                && ResourceUri::Tasks.is_affected_by(&changed)
        );
    }
}
