//! Deletes entries from the stores of a relay.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use protocol::admin::{DeletionPolicy, Owner};
use tokio::time::Instant;

use super::RelayReplicas;
use super::attempt::{Attempt, Change};
use super::relay_state::{Availability, RelayState};
use crate::object_key::NamespacedName;
use crate::relay_api::{RelayError, Target, Writer};

/// Removals in progress at one relay.
const REMOVALS_MAX: usize = 8;

impl RelayReplicas {
    /// Deletes content from every store. Returns `false` when no replica can be asked now.
    ///
    /// # Errors
    /// The first store's error. The others are tried nevertheless.
    pub async fn delete(
        &self,
        relay: &NamespacedName,
        path: &str,
        writer: &Writer,
        policy: Option<DeletionPolicy>,
    ) -> Result<bool, RelayError> {
        if writer.term.is_none() {
            return Ok(false);
        }
        let Some(turn) = self.take_turn(relay, path).await? else { return Ok(false) };
        let stores = self.shared.state(relay, |state| match state.availability(Instant::now()) {
            Availability::Available => state.replicas.stores(),
            Availability::Unknown | Availability::Silent | Availability::Lost => {
                state.note_unsent();
                Vec::new()
            }
        });
        let Some((stores, access)) = stores.zip(self.access(relay)) else { return Ok(false) };
        let is_known = !stores.is_empty();
        let mut failure = None;
        for (instance, address) in stores {
            let target = Target { address, access: Arc::clone(&access) };
            let begun = Attempt::begin(&self.shared, relay, &instance, path, Change::Removal, &turn.order);
            let Some(attempt) = begun else { continue };
            let known = self.shared.state(relay, |state| state.replicas.known_policy(&instance, policy));
            let policy = known.flatten();
            let result = self.shared.api.delete(&target, path, writer, policy).await;
            attempt.settle(&result);
            failure = failure.or(result.err());
        }
        failure.map_or(Ok(is_known), Err)
    }

    /// The entries that the object with this uid owns at any relay, as far as their listings are
    /// known: the relay and the path of each.
    #[must_use]
    pub fn owned_entries(&self, uid: &str) -> BTreeSet<(NamespacedName, String)> {
        let owner = Owner::Kubernetes(uid.to_owned());
        self.shared.with(|relays| {
            let of_relay = |(relay, state): (&NamespacedName, &RelayState)| {
                let paths = state.replicas.iter().flat_map(|replica| replica.entries.owned_by(&owner));
                paths.map(|path| (relay.clone(), path)).collect::<Vec<_>>()
            };
            relays.states.iter().flat_map(of_relay).collect()
        })
    }

    /// Deletes at every contacted relay the entries that the object with this uid owns, with the
    /// deletion policy that is recorded in them. Returns how many there were. Entries at a relay
    /// whose listing is not known yet are found by the sweep.
    ///
    /// # Errors
    /// The first error. The other entries are tried nevertheless.
    pub async fn remove_owned(&self, uid: &str) -> Result<usize, RelayError> {
        let (mut removed, mut failure) = (0, None);
        for (relay, path) in self.owned_entries(uid) {
            match self.delete_for(&relay, &path, uid, None).await {
                Ok(true) => removed += 1,
                // The relay is asked again when it answers.
                Ok(false) => failure = failure.or(Some(RelayError::Busy(relay.to_string()))),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(removed), Err)
    }

    async fn delete_for(
        &self,
        relay: &NamespacedName,
        path: &str,
        uid: &str,
        policy: Option<DeletionPolicy>,
    ) -> Result<bool, RelayError> {
        self.delete(relay, path, &self.writer(uid), policy).await
    }

    /// Deletes entries of one relay, each for its recorded owner. Without a policy, the recorded
    /// one counts. Returns the number of those that the relay did not delete.
    pub(crate) async fn remove_all(
        &self,
        relay: &NamespacedName,
        removals: &[(String, String)],
        policy: Option<DeletionPolicy>,
    ) -> usize {
        let mut deletions: Vec<BoxFuture<'_, Result<bool, RelayError>>> = Vec::new();
        for (path, uid) in removals {
            deletions.push(self.delete_for(relay, path, uid, policy).boxed());
        }
        let results: Vec<_> = futures::stream::iter(deletions).buffer_unordered(REMOVALS_MAX).collect().await;
        results.iter().filter(|result| !matches!(result, Ok(true))).count()
    }
}
