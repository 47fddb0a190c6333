//! The commands that change the directory. Each returns the version that contains the change, after
//! the change is committed and enforced.

use protocol::Did;
use protocol::record::VerifiedRecord;
use tokio::sync::{mpsc, oneshot};

use super::Directory;
use super::decide::{AdminOperation, Operation, OperationError};
use super::principal::Principal;
use super::request::{WriteError, WriteRequest, WriteResult, Written};
use super::requester::Requester;

impl Directory {
    /// Makes one administrative change.
    ///
    /// # Errors
    /// [`WriteError`]; everything is as before.
    pub(crate) async fn administer(&self, by: Requester, operation: AdminOperation) -> WriteResult {
        let mut results = self.administer_all(vec![(by, operation)]).await?;
        results.pop().unwrap_or(Err(WriteError::Closed))
    }

    /// Makes several administrative changes in one transaction. One that is refused does not hold
    /// up the others.
    ///
    /// # Errors
    /// The relay is shutting down.
    pub(crate) async fn administer_all(
        &self,
        changes: Vec<(Requester, AdminOperation)>,
    ) -> Result<Vec<WriteResult>, WriteError> {
        let operations = changes.into_iter().map(|(by, operation)| Operation::Administer(by, operation));
        write(&self.administrations, operations.collect()).await
    }

    /// Registers the record of `did`, which others can then look up. The caller has verified the
    /// challenge, so the client of `principal` holds a signing key of the record.
    ///
    /// # Errors
    /// The credential does not cover the DID or is no longer valid, another root key or a newer
    /// record is registered, the agent is suspended, the tenant has reached its limit of agents, or
    /// the store failed.
    pub async fn publish(
        &self,
        principal: &Principal,
        did: &Did,
        record: VerifiedRecord,
    ) -> Result<(), WriteError> {
        if record.did != *did || did.domain() != self.domain().as_str() {
            return Err(OperationError::NotCovered.into());
        }
        let operation = Operation::Publish(principal.clone(), Box::new(record));
        let mut results = write(&self.registrations, vec![operation]).await?;
        results.pop().unwrap_or(Err(WriteError::Closed)).map(|Written { .. }| ())
    }
}

async fn write(
    to: &mpsc::Sender<WriteRequest>,
    operations: Vec<Operation>,
) -> Result<Vec<WriteResult>, WriteError> {
    let (answer, written) = oneshot::channel();
    to.send(WriteRequest { operations, answer }).await.map_err(|_| WriteError::Closed)?;
    // The writer continues when this future is dropped, so a change is never enforced by half.
    written.await.map_err(|_| WriteError::Closed)
}
