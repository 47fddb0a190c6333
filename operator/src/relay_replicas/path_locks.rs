//! Orders the writes to each path, so that a later write never overtakes an earlier one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// One lock for each path that is being written to. There are as many as writes in progress.
#[derive(Debug, Default)]
pub(super) struct PathLocks(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl PathLocks {
    /// Waits until no other write to `path` is in progress. Cancel safe.
    pub(super) async fn lock(&self, path: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(locks.entry(path.to_owned()).or_default())
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn two_writes_to_one_path_never_overlap_and_nothing_is_kept_afterwards() {
        let locks = PathLocks::default();
        let first = locks.lock("a").await;
        assert!(locks.lock("a").now_or_never().is_none(), "the second one waits");
        let other = locks.lock("b").await;
        drop((first, other));
        let _third = locks.lock("a").await;
        assert_eq!(locks.0.lock().unwrap().len(), 1);
    }
}
