//! The data folder: only its owner can read it, and one relay at a time uses it.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};

/// Name of the file that a running relay locks.
const LOCK_FILE: &str = "lock";

/// Holds the lock until the last clone is dropped or the process ends, even if it crashes.
#[derive(Debug, Clone)]
pub(super) struct DataFolder {
    _lock: Arc<File>,
}

impl DataFolder {
    pub(super) fn open(path: &Path) -> Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("failed to create data_dir {}", path.display()))?;
        let lock = path.join(LOCK_FILE);
        let file = File::create(&lock).with_context(|| format!("failed to write {}", lock.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _lock: Arc::new(file) }),
            Err(TryLockError::WouldBlock) => bail!("another relay uses data_dir {}", path.display()),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("failed to lock {}", lock.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_used_by_one_relay_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = DataFolder::open(&path).unwrap();
        let refused = DataFolder::open(&path).unwrap_err();
        assert!(refused.to_string().starts_with("another relay uses data_dir"), "{refused}");
        drop(first);
        DataFolder::open(&path).unwrap();
    }
}
