//! The folder for the state that outlives the process. A lock allows one process at a time.
//!
//! The lock file names its holder. A holder that yields ends its agent when another process asks
//! for the folder, as it does when another session of its DID connects; any other keeps it, and the
//! error of the other process says who has it.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::{Error, ErrorKind};
use crate::private_file;

/// How often a holder that yields looks whether it is asked to.
const YIELD_CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// How long a process waits for a holder that yields.
const YIELD_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of the lock file that are read: a process id and a name.
const HOLDER_BYTES_MAX: usize = 200;

/// The folder, locked until this is dropped.
pub(crate) struct StateDir {
    folder: PathBuf,
    yields: bool,
    _lock: File,
}

/// The process that holds a lock, as the lock file names it.
struct Holder {
    name: String,
    yields: bool,
}

impl StateDir {
    /// Locks the folder. Asks the process that holds it to yield, if it does that.
    ///
    /// # Errors
    /// [`ErrorKind::InUse`] if another process keeps the folder, [`ErrorKind::State`] if it cannot
    /// be used.
    pub(crate) async fn lock(folder: &Path, yields: bool) -> Result<Self, Error> {
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::State, format!("cannot use {}", folder.display())).caused_by(e)
        };
        private_file::create_folder(folder).map_err(failed)?;
        let path = folder.join("lock");
        let mut file = private_file::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        let deadline = Instant::now() + YIELD_TIMEOUT;
        let mut asked = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(failed(e)),
                Err(TryLockError::WouldBlock) => {
                    let holder = Holder::read(&path);
                    if !holder.yields || Instant::now() > deadline {
                        return Err(in_use(folder, &holder));
                    }
                    if !std::mem::replace(&mut asked, true) {
                        fs::write(folder.join("wanted"), b"").map_err(failed)?;
                    }
                    sleep(YIELD_CHECK_INTERVAL / 5).await;
                }
            }
        }
        // The names are for people only.
        let _ = fs::remove_file(folder.join("wanted"));
        let _ = file.set_len(0).and_then(|()| file.write_all(Holder::this_process(yields).as_bytes()));
        Ok(Self { folder: folder.into(), yields, _lock: file })
    }

    /// The file of processed messages.
    pub(crate) fn dedup_file(&self) -> PathBuf {
        self.folder.join("processed")
    }

    /// The file of pinned root keys.
    pub(crate) fn pins(&self) -> PathBuf {
        pins_in(&self.folder)
    }

    /// The file of notices that the application has not acknowledged.
    pub(crate) fn notices(&self) -> PathBuf {
        self.folder.join("notices")
    }

    /// Returns when another process asks for the folder, if this one yields.
    pub(crate) async fn asked_to_yield(&self) -> Error {
        if !self.yields {
            return std::future::pending().await;
        }
        while !self.folder.join("wanted").exists() {
            sleep(YIELD_CHECK_INTERVAL).await;
        }
        Error::new(ErrorKind::Replaced, "another process of this profile has taken the agent over")
    }
}

impl Holder {
    fn this_process(yields: bool) -> String {
        let program = std::env::current_exe().ok();
        let name = program.as_deref().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let yielding = if yields { " yields" } else { "" };
        format!("{} {name}{yielding}\n", std::process::id())
    }

    /// Reads the lock file. On Windows nobody but the holder can.
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line: String = text.lines().next().unwrap_or_default().chars().take(HOLDER_BYTES_MAX).collect();
        match line.strip_suffix(" yields") {
            Some(name) => Self { name: name.to_owned(), yields: true },
            None => Self { name: line, yields: false },
        }
    }
}

fn in_use(folder: &Path, holder: &Holder) -> Error {
    let holder = match holder.name.split_once(' ') {
        Some((pid, program)) => format!("process {pid} ({program})"),
        None => "another process".to_owned(),
    };
    Error::new(ErrorKind::InUse, format!("{holder} uses {}", folder.display()))
        .advising("an agent has one connection at a time: stop that process, or use another profile")
}

/// The file of pinned root keys in a state folder.
pub(crate) fn pins_in(folder: &Path) -> PathBuf {
    folder.join("pins")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_error_names_the_process_that_has_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let _held = StateDir::lock(folder.path(), false).await.unwrap();
        let error = StateDir::lock(folder.path(), true).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InUse);
        assert!(error.to_string().contains(&format!("process {} (", std::process::id())), "{error:?}");
    }

    #[tokio::test]
    async fn a_holder_that_yields_gives_the_folder_to_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let held = StateDir::lock(folder.path(), true).await.unwrap();
        let holder = async {
            let error = held.asked_to_yield().await;
            drop(held);
            error
        };
        let (error, next) = tokio::join!(holder, StateDir::lock(folder.path(), true));
        assert_eq!(error.kind(), ErrorKind::Replaced);
        assert!(!folder.path().join("wanted").exists());
        drop(next.unwrap());
        StateDir::lock(folder.path(), false).await.unwrap();
    }
}
