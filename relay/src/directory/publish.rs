//! Registration of an agent's record, as the session sees it.

use protocol::Did;
use protocol::record::VerifiedRecord;

use super::Directory;
use super::authenticate::Principal;
use super::decide::{Operation, Refused};

pub use super::request::WriteError as PublishError;

impl Directory {
    /// Stores the record of `did` for others to look up. The caller has checked the challenge: that whoever is behind
    /// `who` holds a signing key of the record.
    ///
    /// # Errors
    /// The credential does not cover the DID or no longer holds, another root key or a newer record is registered, the
    /// agent is suspended, the tenant has no room, or the store failed.
    pub async fn publish(
        &self,
        who: &Principal,
        did: &Did,
        record: VerifiedRecord,
    ) -> Result<(), PublishError> {
        if record.did != *did || did.domain() != self.domain().as_str() {
            return Err(Refused::NotCovered.into());
        }
        self.write(Operation::Publish(who.clone(), Box::new(record))).await.map(|_| ())
    }
}
