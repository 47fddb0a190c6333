//! Writes content to the replicas of relays, and records what each holds and who owns it.
//!
//! The record is in memory only, and starts empty whenever this process begins to lead. A listing
//! of the relay fills it again. A store that is another one, or older than what it acknowledged, is
//! listed and compared again too.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crds::relay_status::ContactState;
use protocol::Reason;
use protocol::admin::{Owner, Term};
use tokio::time::Instant;

use crate::lease::Leadership;
use crate::object_key::NamespacedName;
use crate::observed::Observed;
use crate::queue::Queue;
use crate::relay_api::{RelayAccess, RelayApi, RelayError, Target, Writer};

mod attempt;
mod batcher;
mod content;
mod entry_path;
mod entry_table;
mod listing;
mod path_locks;
mod relay_state;
mod removal;
mod replica_table;
mod turn;
mod write;

pub use listing::Listing;
use relay_state::RelayState;
pub use relay_state::{LOST_GRACE, SWEEP_INTERVAL, SweepResult};
pub use replica_table::{Contact, Progress};

/// The replicas of all relays. Cheap to clone.
#[derive(Clone)]
pub struct RelayReplicas {
    shared: Arc<Shared>,
}

pub(in crate::relay_replicas) struct Shared {
    api: Arc<dyn RelayApi>,
    leadership: Arc<Leadership>,
    queue: Arc<Queue>,
    relays: Mutex<Relays>,
}

/// The relays of one term.
#[derive(Default)]
struct Relays {
    term: Option<Term>,
    /// Counts the records of relays that were made, so that each has its own epoch.
    epoch: u64,
    states: BTreeMap<NamespacedName, RelayState>,
}

impl std::fmt::Debug for RelayReplicas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RelayReplicas")
    }
}

impl RelayReplicas {
    /// `queue` gets the Relays that stopped answering.
    #[must_use]
    pub fn new(api: Arc<dyn RelayApi>, leadership: Arc<Leadership>, queue: Arc<Queue>) -> Self {
        Self { shared: Arc::new(Shared { api, leadership, queue, relays: Mutex::default() }) }
    }

    /// Sets how to reach a relay. Returns whether other authorities were trusted before.
    pub fn set_access(&self, relay: &NamespacedName, access: RelayAccess) -> bool {
        self.shared.with(|relays| {
            let state = relays.state_or_new(relay);
            if state.access.as_deref() == Some(&access) {
                return false;
            }
            let before = state.access.take();
            let is_changed = before.is_some_and(|before| {
                before.authorities != access.authorities
                    || before.endpoint_authorities != access.endpoint_authorities
            });
            state.access = Some(Arc::new(access));
            is_changed
        })
    }

    #[must_use]
    pub fn access(&self, relay: &NamespacedName) -> Option<Arc<RelayAccess>> {
        self.shared.state(relay, |state| state.access.clone()).flatten()
    }

    pub fn forget(&self, relay: &NamespacedName) {
        self.shared.with(|relays| relays.states.remove(relay));
    }

    /// Forgets everything about all relays, when a term begins.
    pub fn clear(&self) {
        self.shared.with(Relays::clear);
    }

    /// Asks every ready replica for its version.
    ///
    /// # Errors
    /// The last replica's error, when none answered.
    pub async fn contact(
        &self,
        relay: &NamespacedName,
        ready: &BTreeSet<SocketAddr>,
    ) -> Result<Contact, RelayError> {
        let Some(access) = self.access(relay) else { return Ok(Contact::default()) };
        let (mut answers, mut failure) = (Vec::new(), None);
        for address in ready {
            let target = Target { address: *address, access: Arc::clone(&access) };
            match self.shared.api.version(&target).await {
                Ok(version) => answers.push((*address, version)),
                Err(error) => failure = Some(error),
            }
        }
        let contact = self.shared.state(relay, |state| state.answered(&answers, Instant::now()));
        match failure {
            Some(error) if answers.is_empty() => Err(error),
            _ => Ok(contact.unwrap_or_default()),
        }
    }

    /// Whether the relay answers this leader. One that stopped answering counts as lost after
    /// [`LOST_GRACE`].
    #[must_use]
    pub fn contact_state(&self, relay: &NamespacedName) -> Observed<ContactState> {
        self.shared.state(relay, |state| state.contact_state(Instant::now())).unwrap_or_default()
    }

    /// The time until the relay must be contacted again.
    #[must_use]
    pub fn until_next_contact(&self, relay: &NamespacedName) -> Duration {
        let until = self.shared.state(relay, |state| state.until_next_contact(Instant::now()));
        until.unwrap_or(SWEEP_INTERVAL)
    }

    /// The result of the last sweep. `Unknown`: there was none.
    #[must_use]
    pub fn last_sweep(&self, relay: &NamespacedName) -> Observed<SweepResult> {
        self.shared.state(relay, |state| state.sweep).unwrap_or_default()
    }

    pub(crate) fn set_last_sweep(&self, relay: &NamespacedName, result: SweepResult) {
        self.shared.state(relay, |state| state.sweep = Observed::Known(result));
    }

    /// Those of the entries with a former owner that have waited for another one for long.
    pub(crate) fn overdue_successions(
        &self,
        relay: &NamespacedName,
        successions: &BTreeSet<(String, String)>,
    ) -> Vec<(String, String)> {
        let overdue =
            self.shared.state(relay, |state| state.overdue_successions(successions, Instant::now()));
        overdue.unwrap_or_default()
    }

    /// Whether the objects of the relay must be reconciled, because it was found or lost, or
    /// answers again after a write was not sent. Tells it once.
    pub(crate) fn take_change(&self, relay: &NamespacedName) -> bool {
        self.shared.state(relay, |state| state.take_change(Instant::now())).unwrap_or(false)
    }

    /// The writer for the object with this uid, in the current term.
    #[must_use]
    pub fn writer(&self, uid: &str) -> Writer {
        Writer::object(uid, self.shared.leadership.term())
    }

    /// The owner of the entry at `path`, as the relay's listing and this leader's own writes say.
    /// `Known(None)`: there is no entry, or it belongs to nobody.
    #[must_use]
    pub fn holder(&self, relay: &NamespacedName, path: &str) -> Observed<Option<Owner>> {
        let held = self.shared.state(relay, |state| state.replicas.held(path)).unwrap_or_default();
        held.map(|held| held?.owner)
    }

    /// Why the relay took the content at `path` without its MCP endpoint.
    #[must_use]
    pub fn refused_endpoint(&self, relay: &NamespacedName, path: &str) -> Option<Reason> {
        let held = self.shared.state(relay, |state| state.replicas.held(path))?;
        held.known()??.refused_endpoint
    }

    /// Whether there is a ready replica, and every one holds some known content at `path` that
    /// belongs to the object with this uid.
    #[must_use]
    pub fn is_acknowledged(&self, relay: &NamespacedName, path: &str, uid: &str) -> bool {
        let owner = Owner::Kubernetes(uid.into());
        self.shared.state(relay, |state| state.replicas.is_acknowledged(path, &owner)).unwrap_or(false)
    }

    /// Whether the relay answers, or stopped answering only a short time ago.
    #[must_use]
    pub fn has_replicas(&self, relay: &NamespacedName) -> bool {
        self.contact_state(relay) == Observed::Known(ContactState::Reached)
    }
}

impl Relays {
    fn clear(&mut self) {
        self.states.clear();
    }

    fn state_or_new(&mut self, relay: &NamespacedName) -> &mut RelayState {
        self.states.entry(relay.clone()).or_insert_with(|| {
            self.epoch += 1;
            RelayState::new(self.epoch)
        })
    }
}

impl Shared {
    /// Works on the relays of the current term. What an earlier term knew is forgotten.
    fn with<T>(&self, work: impl FnOnce(&mut Relays) -> T) -> T {
        let term = self.leadership.term();
        let mut relays = self.relays.lock().unwrap_or_else(PoisonError::into_inner);
        if term.is_some() && relays.term != term {
            relays.clear();
            relays.term = term;
        }
        work(&mut relays)
    }

    /// Works on one relay. `None`: nothing is known of it.
    fn state<T>(&self, relay: &NamespacedName, work: impl FnOnce(&mut RelayState) -> T) -> Option<T> {
        self.with(|relays| relays.states.get_mut(relay).map(work))
    }

    /// As [`Shared::state`], but only on the record with this epoch.
    fn state_of_epoch<T>(
        &self,
        relay: &NamespacedName,
        epoch: u64,
        work: impl FnOnce(&mut RelayState) -> T,
    ) -> Option<T> {
        self.state(relay, |state| (state.epoch == epoch).then(|| work(state))).flatten()
    }
}

#[cfg(test)]
mod tests;
