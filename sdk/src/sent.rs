//! A message that the relay took.

use protocol::Did;
use protocol::envelope::MessageId;
use protocol::frame::SendStatus;

use crate::Evidence;

/// The relay's word for a send: `Stored` and `Delivered` are promises, `Forwarded` (ephemeral messages only) is none.
#[derive(Debug, Clone)]
pub struct Sent {
    pub id: MessageId,
    pub to: Did,
    pub status: SendStatus,
    pub(crate) evidence: Evidence,
}

impl Sent {
    /// For [`crate::Agent::prove`].
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}
