//! The folder for the state that outlives the process. A lock allows one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};
use crate::key_file;

/// The folder, locked until this is dropped.
pub(crate) struct StateDir {
    folder: PathBuf,
    _lock: File,
}

impl StateDir {
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::State, format!("cannot use {}", folder.display())).caused_by(e)
        };
        key_file::private_folder(folder).map_err(failed)?;
        let path = folder.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.into(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::State,
                format!("another process uses {}", folder.display()),
            )
            .advising(
                "an agent has one connection at a time: stop the other process, or use another profile",
            )),
            Err(TryLockError::Error(e)) => Err(failed(e)),
        }
    }

    /// The file of processed messages.
    pub(crate) fn dedup_file(&self) -> PathBuf {
        self.folder.join("processed")
    }

    /// The file of pinned root keys.
    pub(crate) fn pins(&self) -> PathBuf {
        pins_in(&self.folder)
    }
}

/// The file of pinned root keys in a state folder.
pub(crate) fn pins_in(folder: &Path) -> PathBuf {
    folder.join("pins")
}
