//! Lets only a few requests to one relay hold workers at a time, and orders those for one path.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::RelayReplicas;
use crate::object_key::NamespacedName;
use crate::relay_api::RelayError;

/// Requests to one relay that workers wait for. More must not hold workers, so that a relay which
/// answers nothing does not hold up the others.
const WRITERS_MAX: usize = 16;
/// Longest wait for the requests of others to the same relay. The object is reconciled again soon.
const TURN_TIMEOUT: Duration = Duration::from_millis(250);

/// The right to send one request.
pub(super) struct Turn {
    /// Kept until the request has ended, also when nobody waits for its answer any more.
    pub order: Arc<OwnedMutexGuard<()>>,
    /// Kept while a worker waits.
    pub _permit: OwnedSemaphorePermit,
}

/// The permits of one relay.
#[derive(Debug, Clone)]
pub(super) struct Permits(Arc<Semaphore>);

impl Default for Permits {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(WRITERS_MAX)))
    }
}

impl RelayReplicas {
    /// Waits until no other request for the path is in progress, and until the relay has few
    /// requests to answer. `None`: the relay is not known any more.
    ///
    /// # Errors
    /// [`RelayError::Busy`] when that takes long.
    pub(super) async fn take_turn(
        &self,
        relay: &NamespacedName,
        path: &str,
    ) -> Result<Option<Turn>, RelayError> {
        let found = self.shared.state(relay, |state| (Arc::clone(&state.path_locks), state.permits.clone()));
        let Some((path_locks, permits)) = found else { return Ok(None) };
        let wait = async {
            let permit = permits.0.acquire_owned().await.ok()?;
            Some(Turn { order: Arc::new(path_locks.lock(path).await), _permit: permit })
        };
        let busy = || RelayError::Busy(relay.to_string());
        tokio::time::timeout(TURN_TIMEOUT, wait).await.map_err(|_| busy())?.map(Some).ok_or_else(busy)
    }
}
