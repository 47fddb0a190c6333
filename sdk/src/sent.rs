//! The result of a send.

use protocol::Did;
use protocol::envelope::MessageId;
use protocol::frame::SendStatus;

use crate::evidence::Evidence;

/// A message that the relay has accepted.
#[derive(Debug, Clone)]
pub struct Sent {
    pub id: MessageId,
    pub to: Did,
    /// `Stored` and `Delivered` are promises. `Forwarded`, for ephemeral messages only, is none.
    pub status: SendStatus,
    pub(crate) evidence: Evidence,
}

impl Sent {
    /// The evidence that [`Agent::prove`](crate::Agent::prove) needs.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}
