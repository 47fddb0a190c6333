//! The folder for what outlives the process, used by one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind, key_file};

/// The folder, locked as long as this lives.
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
            Err(TryLockError::WouldBlock) => {
                Err(Error::new(ErrorKind::State, format!("another process uses {}", folder.display()))
                    .advising(
                        "an agent has one connection at a time: stop the other one, or use another profile",
                    ))
            }
            Err(TryLockError::Error(e)) => Err(failed(e)),
        }
    }

    /// Messages that were processed.
    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.join("processed")
    }

    /// Root keys of known agents.
    pub(crate) fn pins(&self) -> PathBuf {
        self.folder.join("pins")
    }
}
