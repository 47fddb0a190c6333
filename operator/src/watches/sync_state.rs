//! Knows which stores hold a complete list, and which have not heard from the API server for long.
//!
//! A replica leads only while all stores are synced and none is stuck. An empty store would look
//! like a cluster without objects, and one that is stuck like a cluster where nothing changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Longest time without a sign of life from a watch. Longer than a silent watch lasts before it is
/// started again, so that one lost connection does not cost the lease.
pub(super) const STUCK_TIMEOUT: Duration = Duration::from_secs(100);

/// The state of every store. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct SyncState(Arc<Mutex<BTreeMap<String, StoreState>>>);

#[derive(Debug, Clone, Copy)]
struct StoreState {
    is_synced: bool,
    last_heard: Instant,
}

/// The part of one store, which its watch keeps.
#[derive(Debug)]
pub(crate) struct StoreSync {
    store: String,
    state: SyncState,
}

impl SyncState {
    /// Adds a store that is not synced yet.
    pub(crate) fn register(&self, store: &str) -> StoreSync {
        self.lock().insert(store.to_owned(), StoreState { is_synced: false, last_heard: Instant::now() });
        StoreSync { store: store.to_owned(), state: self.clone() }
    }

    /// Whether the store may be used.
    ///
    /// # Errors
    /// Why not, as a sentence.
    pub fn check(&self, store: &str) -> Result<(), String> {
        let found = self.lock().get(store).copied();
        found.map_or_else(
            || Err(format!("{store} is not watched")),
            |found| decide(store, found, Instant::now()),
        )
    }

    /// Whether all stores may be used.
    ///
    /// # Errors
    /// The first reason why not, as a sentence.
    pub fn check_all(&self) -> Result<(), String> {
        let now = Instant::now();
        self.lock().iter().try_for_each(|(store, found)| decide(store, *found, now))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, StoreState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn decide(store: &str, state: StoreState, now: Instant) -> Result<(), String> {
    if !state.is_synced {
        return Err(format!("the first list of {store} has not arrived yet"));
    }
    let silence = now.saturating_duration_since(state.last_heard);
    if silence >= STUCK_TIMEOUT {
        return Err(format!("the watch of {store} has heard nothing for {} s", silence.as_secs()));
    }
    Ok(())
}

impl StoreSync {
    /// The API server answered.
    pub(crate) fn heard(&self) {
        self.change(|state| state.last_heard = Instant::now());
    }

    /// The store holds a complete list.
    pub(crate) fn synced(&self) {
        self.change(|state| *state = StoreState { is_synced: true, last_heard: Instant::now() });
    }

    fn change(&self, change: impl FnOnce(&mut StoreState)) {
        if let Some(state) = self.state.lock().get_mut(&self.store) {
            change(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_stores_must_be_synced() {
        let state = SyncState::default();
        let (agents, tenants) = (state.register("agents"), state.register("tenants"));
        agents.synced();
        assert_eq!(state.check_all(), Err("the first list of tenants has not arrived yet".to_owned()));
        assert_eq!(state.check("agents"), Ok(()));
        tenants.heard();
        assert!(state.check_all().is_err(), "a page is not a list");
        tenants.synced();
        assert_eq!(state.check_all(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hears_nothing_is_stuck_until_it_hears_again() {
        let state = SyncState::default();
        let agents = state.register("agents");
        agents.synced();
        tokio::time::advance(Duration::from_secs(99)).await;
        assert_eq!(state.check_all(), Ok(()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(state.check_all(), Err("the watch of agents has heard nothing for 100 s".to_owned()));
        agents.heard();
        assert_eq!(state.check_all(), Ok(()));
    }
}
