//! The state of the connection as the application sees it.

use protocol::did::TenantId;

use crate::error::Error;

/// Whether the agent is connected. [`Agent::watch_connection`](crate::Agent::watch_connection)
/// reports every change.
#[derive(Debug, Clone)]
pub enum ConnectionState {
    /// Not connected. `attempt` counts the attempts since the last session.
    Connecting { attempt: u64, last_error: Option<Error> },
    /// Connected and registered; messages arrive.
    Online(Session),
    /// Connected and registered, but little or nothing arrives: for a minute the application has
    /// kept the oldest message unacknowledged, and the relay's window is filling behind it. Sending
    /// works. The state ends when that message is acknowledged or rejected.
    Stalled(Session),
    /// The agent has ended and will not connect again.
    Ended(Error),
}

/// A registered session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The session's number. It rises with every session of the same DID.
    pub epoch: u64,
    pub tenant: TenantId,
    /// The most deliveries that may be unacknowledged at once.
    pub window: u64,
    /// Messages that waited in the mailbox when the session began.
    pub pending: u64,
}

impl ConnectionState {
    #[must_use]
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Online(_))
    }

    /// The session, if the agent is connected: requests are answered, also while it is stalled.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        match self {
            Self::Online(session) | Self::Stalled(session) => Some(session),
            Self::Connecting { .. } | Self::Ended(_) => None,
        }
    }

    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.session().is_some()
    }
}
