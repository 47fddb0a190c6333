//! The signing keys in use, reloaded when their folder changes.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use daemon::{Shutdown, error_chain};

use super::key_folder::{KeyFolder, SigningKeysError};
use super::signing_key::KeySet;
use crate::metrics::Metrics;

/// How often the folder is read. Contents are compared instead of times, because Kubernetes
/// replaces mounted Secrets by swapping a symbolic link.
const KEY_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The keys in use, and the folder they are read from.
pub(crate) struct SigningKeys {
    folder: KeyFolder,
    current: RwLock<Arc<KeySet>>,
}

impl SigningKeys {
    /// # Errors
    /// The folder cannot be read, or it has no valid key.
    pub(crate) fn open(folder: KeyFolder) -> Result<Self, SigningKeysError> {
        let current = RwLock::new(read(&folder)?);
        Ok(Self { folder, current })
    }

    pub(crate) fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reloads the keys when the folder changes, until shutdown. If the folder is invalid, the keys
    /// in use remain.
    pub(crate) async fn watch(self: Arc<Self>, metrics: Metrics, shutdown: Shutdown) {
        let mut interval = tokio::time::interval(KEY_POLL_INTERVAL);
        let mut invalid = false;
        loop {
            tokio::select! {
                _ = interval.tick() => {}
                () = shutdown.begun() => return,
            }
            invalid = self.reload(&metrics, invalid).await;
        }
    }

    /// Returns whether the folder is invalid now. It is logged once each time it becomes invalid.
    async fn reload(self: &Arc<Self>, metrics: &Metrics, was_invalid: bool) -> bool {
        let this = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || read(&this.folder)).await;
        let found = match read {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                if !was_invalid {
                    metrics.count_key_reload(false);
                    let error = error_chain(&error);
                    tracing::warn!(
                        error,
                        "the changed signing keys are invalid; the previous keys remain in use"
                    );
                }
                return true;
            }
            Err(_) => return was_invalid,
        };
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.ids() != found.ids() {
            let active = found.active().map(|key| key.kid().to_owned()).unwrap_or_default();
            tracing::info!(target: "audit", active, "loaded changed signing keys");
            metrics.count_key_reload(true);
            *current = found;
        }
        false
    }
}

fn read(folder: &KeyFolder) -> Result<Arc<KeySet>, SigningKeysError> {
    let keys = KeySet::new(folder.read()?);
    keys.map(Arc::new).ok_or_else(|| SigningKeysError::Empty(folder.path().to_owned()))
}
