//! The result of a send.

use protocol::Did;
use protocol::envelope::MessageId;
use protocol::frame::SendStatus;

use crate::evidence::Evidence;

/// The way of a message to its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// Through the relay, which stores it for a recipient that is offline.
    Relay,
    /// Over a connection between the two agents.
    Direct,
}

impl Path {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Direct => "direct",
        }
    }
}

/// The ways that a message may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum PathChoice {
    /// Directly if the agents can reach each other, or else through the relay.
    #[default]
    Any,
    /// Directly or not at all.
    DirectOnly,
    /// Through the relay, although the agents may reach each other. It does not wait for earlier
    /// messages that go directly.
    RelayOnly,
}

/// A message that the relay or its recipient has accepted.
#[derive(Debug, Clone)]
pub struct Sent {
    pub id: MessageId,
    pub to: Did,
    /// `Stored` and `Delivered` are promises. `Forwarded`, for ephemeral messages only, is none.
    pub status: SendStatus,
    /// Which way the answer came.
    pub path: Path,
    pub(crate) evidence: Evidence,
}

impl Sent {
    /// The evidence that [`Agent::prove`](crate::Agent::prove) needs.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}
