//! Writes content to the replicas of relays and tracks which replica acknowledged what.
//!
//! The record is in memory only. After a restart the operator writes everything again, which
//! changes nothing in a relay that has it. A replica with another store, or with an older version,
//! gets everything again too.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::admin::{DeletionPolicy, Owner};
use serde::Serialize;

use crate::lease::Leadership;
use crate::object_key::NamespacedName;
use crate::observed::Observed;
use crate::relay_api::{RelayAccess, RelayApi, RelayError, Target, Writer};

mod replica_table;

pub use replica_table::{Contact, Progress};
use replica_table::{ReplicaTable, content_hash, is_removed_with};

/// One relay: how to reach it, and what its replicas acknowledged.
#[derive(Default)]
struct RelayState {
    access: Option<Arc<RelayAccess>>,
    replicas: ReplicaTable,
}

/// The replicas of all relays.
pub struct RelayReplicas {
    api: Arc<dyn RelayApi>,
    leadership: Arc<Leadership>,
    relays: Mutex<HashMap<NamespacedName, RelayState>>,
}

impl std::fmt::Debug for RelayReplicas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RelayReplicas")
    }
}

impl RelayReplicas {
    #[must_use]
    pub fn new(api: Arc<dyn RelayApi>, leadership: Arc<Leadership>) -> Self {
        Self { api, leadership, relays: Mutex::default() }
    }

    pub fn set_access(&self, relay: &NamespacedName, access: RelayAccess) {
        self.with(relay, |state| state.access = Some(Arc::new(access)));
    }

    #[must_use]
    pub fn access(&self, relay: &NamespacedName) -> Option<Arc<RelayAccess>> {
        self.with(relay, |state| state.access.clone())
    }

    /// Forgets everything about all relays, when a term begins.
    pub fn clear(&self) {
        self.relays.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub fn forget(&self, relay: &NamespacedName) {
        self.relays.lock().unwrap_or_else(PoisonError::into_inner).remove(relay);
    }

    /// Asks every ready replica for its version. Replicas that are not `ready`, or that do not
    /// answer, are removed from the record.
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
            match self.api.version(&target).await {
                Ok(version) => answers.push((*address, version)),
                Err(error) => failure = Some(error),
            }
        }
        let contact = self.with(relay, |state| state.replicas.update(&answers));
        match failure {
            Some(error) if answers.is_empty() => Err(error),
            _ => Ok(contact),
        }
    }

    /// Writes content to every replica that has not acknowledged it yet. `Unknown`: the relay was
    /// not contacted since this process started to lead, and nothing was written.
    ///
    /// # Errors
    /// The first replica's error. The remaining replicas are not tried; the next call starts with
    /// them.
    pub async fn write<B: Serialize + Sync>(
        &self,
        relay: &NamespacedName,
        path: &str,
        writer: &Writer,
        body: &B,
    ) -> Result<Observed<Progress>, RelayError> {
        let Some(access) = self.access(relay) else { return Ok(Observed::Unknown) };
        let hash = content_hash(body);
        for (address, instance) in self.with(relay, |state| state.replicas.replicas_missing(path, hash)) {
            let target = Target { address, access: Arc::clone(&access) };
            let content = serde_json::to_value(body).unwrap_or_default();
            let applied = self.api.put(&target, path, writer, content).await?;
            self.with(relay, |state| {
                state.replicas.acknowledge(address, &instance, applied.version, |written| {
                    written.insert(path.to_owned(), hash);
                });
            });
        }
        Ok(Observed::Known(self.with(relay, |state| state.replicas.progress(path, hash))))
    }

    /// Deletes content from every ready replica. Returns `false` when there is no ready replica.
    ///
    /// # Errors
    /// As [`RelayReplicas::write`].
    pub async fn delete(
        &self,
        relay: &NamespacedName,
        path: &str,
        writer: &Writer,
        policy: Option<DeletionPolicy>,
    ) -> Result<bool, RelayError> {
        let Some(access) = self.access(relay) else { return Ok(false) };
        let replicas = self.with(relay, |state| state.replicas.addresses());
        for (address, instance) in &replicas {
            let target = Target { address: *address, access: Arc::clone(&access) };
            let applied = self.api.delete(&target, path, writer, policy).await?;
            self.with(relay, |state| {
                state.replicas.acknowledge(*address, instance, applied.version, |written| {
                    written.retain(|found, _| !is_removed_with(found, path));
                });
            });
        }
        Ok(!replicas.is_empty())
    }

    /// Deletes at every contacted relay the entries that the object with this uid owns, with the
    /// deletion policy that is recorded in them. Returns how many there were. Entries at a relay
    /// whose listing is not known yet are found by the sweep.
    ///
    /// # Errors
    /// The first relay's error. The others are tried nevertheless.
    #[expect(clippy::unused_async, reason = "the listing is not there yet")]
    pub async fn remove_owned(&self, _uid: &str) -> Result<usize, RelayError> {
        Ok(0)
    }

    /// The writer for the object with this uid, in the current term.
    #[must_use]
    pub fn writer(&self, uid: &str) -> Writer {
        Writer::object(uid, self.leadership.term())
    }

    /// The owner of the entry at `path`, as the relay's listing and this leader's own writes say.
    /// `Known(None)`: there is no entry, or it belongs to nobody.
    #[must_use]
    pub fn holder(&self, relay: &NamespacedName, _path: &str) -> Observed<Option<Owner>> {
        if self.has_replicas(relay) { Observed::Known(None) } else { Observed::Unknown }
    }

    /// Whether there is a ready replica, and every one acknowledged some content at `path`.
    #[must_use]
    pub fn is_acknowledged(&self, relay: &NamespacedName, path: &str) -> bool {
        self.with(relay, |state| state.replicas.is_acknowledged(path))
    }

    #[must_use]
    pub fn has_replicas(&self, relay: &NamespacedName) -> bool {
        self.with(relay, |state| state.access.is_some() && !state.replicas.is_empty())
    }

    fn with<T>(&self, name: &NamespacedName, work: impl FnOnce(&mut RelayState) -> T) -> T {
        work(self.relays.lock().unwrap_or_else(PoisonError::into_inner).entry(name.clone()).or_default())
    }
}
