//! Writes the content of one entry to the stores of a relay that do not hold it.

use std::sync::Arc;

use protocol::admin::AgentWrite;
use serde::Serialize;
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio::time::Instant;

use super::RelayReplicas;
use super::attempt::{Attempt, Change};
use super::batcher::WaitingWrite;
use super::entry_path::EntryPath;
use super::relay_state::{Availability, RelayState};
use super::replica_table::{PlannedWrite, Progress};
use crate::object_key::NamespacedName;
use crate::observed::Observed;
use crate::relay_api::{RelayError, Target, Writer};

impl RelayReplicas {
    /// Writes content to every store that does not hold it yet. `Unknown`: the relay was not
    /// contacted in this term, or the term has ended, and nothing was written.
    ///
    /// What the relay's listing says belongs to somebody else is not written. The next listing
    /// shows it when that has changed.
    ///
    /// A relay that stopped answering is not asked. What it acknowledged counts until
    /// [`LOST_GRACE`] has passed, and the objects are reconciled again when it is back.
    ///
    /// # Errors
    /// The first store's error. The remaining ones are not tried; the next call starts with them.
    pub async fn write<B: Serialize + Sync>(
        &self,
        relay: &NamespacedName,
        path: &str,
        writer: &Writer,
        body: &B,
    ) -> Result<Observed<Progress>, RelayError> {
        if writer.term.is_none() {
            return Ok(Observed::Unknown);
        }
        // Bodies of the admin API always serialize. One that did not would be refused.
        let body = serde_json::to_value(body).unwrap_or_default();
        let progress = |state: &mut RelayState| state.replicas.progress(path, &body, &writer.owner);
        let missing = |state: &mut RelayState| {
            (
                state.availability(Instant::now()),
                state.replicas.missing(path, &body, &writer.owner, writer.if_owned),
            )
        };
        let Some((availability, planned)) = self.shared.state(relay, missing) else {
            return Ok(Observed::Unknown);
        };
        match availability {
            Availability::Unknown => return Ok(Observed::Unknown),
            Availability::Lost => return Ok(Observed::Known(Progress { acknowledged: 0, ready: 0 })),
            Availability::Silent => {}
            Availability::Available if planned.is_empty() => {}
            Availability::Available => self.write_missing(relay, path, writer, missing).await?,
        }
        let progress = self.shared.state(relay, |state| {
            let progress = progress(state);
            if !progress.is_complete() {
                state.note_unsent();
            }
            progress
        });
        Ok(progress.map_or(Observed::Unknown, Observed::Known))
    }

    /// Whether every ready replica is known to hold this content for the writer.
    #[must_use]
    pub fn holds<B: Serialize>(&self, relay: &NamespacedName, path: &str, writer: &Writer, body: &B) -> bool {
        let body = serde_json::to_value(body).unwrap_or_default();
        let progress = |state: &mut RelayState| state.replicas.progress(path, &body, &writer.owner);
        self.shared.state(relay, progress).is_some_and(Progress::is_complete)
    }

    /// Waits for earlier writes to the path, and writes what is still missing then.
    async fn write_missing(
        &self,
        relay: &NamespacedName,
        path: &str,
        writer: &Writer,
        missing: impl Fn(&mut RelayState) -> (Availability, Vec<PlannedWrite>),
    ) -> Result<(), RelayError> {
        let Some(turn) = self.take_turn(relay, path).await? else { return Ok(()) };
        let Some((Availability::Available, planned)) = self.shared.state(relay, missing) else {
            return Ok(());
        };
        for planned in planned {
            self.send(relay, path, writer, planned, &turn.order).await?;
        }
        Ok(())
    }

    async fn send(
        &self,
        relay: &NamespacedName,
        path: &str,
        writer: &Writer,
        planned: PlannedWrite,
        order: &Arc<OwnedMutexGuard<()>>,
    ) -> Result<(), RelayError> {
        let PlannedWrite { instance, address, content, is_bulk } = planned;
        let other = self.shared.state(relay, |state| state.replicas.other_owner(&instance, path, writer));
        if let Some(owner) = other.flatten() {
            return Err(RelayError::OwnedByAnother { path: path.to_owned(), owner });
        }
        let Some(access) = self.access(relay) else { return Ok(()) };
        let target = Target { address, access };
        let change = Change::Write { owner: writer.owner.clone(), digest: content.digest };
        let Some(attempt) = Attempt::begin(&self.shared, relay, &instance, path, change, order) else {
            return Ok(());
        };
        match (is_bulk, EntryPath::parse(path), content.agent) {
            (true, Some(EntryPath::Agent(tenant, name)), Some(spec)) => {
                let write = AgentWrite {
                    tenant,
                    name,
                    owner: writer.owner.clone(),
                    former_owner: writer.former_owner.clone(),
                    if_owned: writer.if_owned,
                    spec,
                };
                let (answer, answered) = oneshot::channel();
                let (path, body) = (path.to_owned(), content.body);
                let waiting = WaitingWrite { target, path, term: writer.term, write, body, attempt, answer };
                self.add_to_batch(relay, waiting);
                match answered.await {
                    Ok(result) => result.map(drop),
                    Err(_) => Err(RelayError::Reach { address, source: "the request was given up".into() }),
                }
            }
            _ => {
                let result = self.shared.api.put(&target, path, writer, content.body).await;
                attempt.settle(&result);
                result.map(drop)
            }
        }
    }

    fn add_to_batch(&self, relay: &NamespacedName, waiting: WaitingWrite) {
        // A relay that was forgotten meanwhile drops the write, which is then unknown.
        if let Some(batcher) = self.shared.state(relay, |state| Arc::clone(&state.batcher)) {
            batcher.add(&self.shared.api, waiting);
        }
    }
}
