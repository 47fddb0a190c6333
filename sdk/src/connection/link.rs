//! The state of the connection, as the application sees it.

use protocol::did::TenantId;

use crate::Error;

#[derive(Debug, Clone)]
pub enum Link {
    /// Not connected; `attempt` counts since the last session.
    Connecting {
        attempt: u64,
        last_error: Option<Error>,
    },
    Online(Session),
    /// Over for good, and why.
    Ended(Error),
}

/// One registered session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub epoch: u64,
    pub tenant: TenantId,
    /// Deliveries that may stay unacknowledged.
    pub window: u64,
    /// Messages that waited in the mailbox when it began.
    pub pending: u64,
}

impl Link {
    #[must_use]
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Online(_))
    }
}
