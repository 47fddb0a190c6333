//! A disk below one folder, from the folder's files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::contents::Contents;
use crate::shared_disk::{Fault, Hanging, SharedDisk};
use crate::{folders, vfs};

/// A disk below one folder. It is removed from the folder when it is dropped; files that are open
/// keep it.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    shared: Arc<SharedDisk>,
}

impl Disk {
    /// Puts a disk under the databases of this folder that are opened from now on. `seed` decides
    /// what of the changes that were not synced is on the disk after a power loss.
    ///
    /// # Errors
    /// A file of the folder cannot be read.
    pub fn mount(folder: &Path, seed: u64) -> io::Result<Self> {
        let folder = folder.canonicalize()?;
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if is_of_database(&path) {
                files.insert(path.clone(), Contents::existing(std::fs::read(path)?));
            }
        }
        let shared = Arc::new(SharedDisk::new(files, seed));
        vfs::register();
        folders::mount(&folder, &shared);
        Ok(Self { folder, shared })
    }

    /// Lets `after` operations of the fault's kind succeed, and strikes the next `times`.
    pub fn plan(&self, fault: Fault, after: u64, times: u64) {
        self.shared.plan(fault, after, times);
    }

    /// Ends a fault, except for a power loss.
    pub fn repair(&self) {
        self.shared.repair();
    }

    /// Operations that a fault has struck so far.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.shared.struck()
    }

    pub fn cut_power(&self) {
        self.shared.cut_power();
    }

    #[must_use]
    pub fn has_power(&self) -> bool {
        self.shared.has_power()
    }

    /// The operation that hangs now.
    #[must_use]
    pub fn hanging(&self) -> Option<Hanging> {
        self.shared.hanging()
    }

    /// Lets an operation that hangs return.
    pub fn release(&self, succeeds: bool) {
        self.shared.release(succeeds);
    }

    /// Writes the files as they are after a power loss at this moment.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_remains(&self, into: &Path) -> io::Result<()> {
        self.shared.write_remains(into)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.release(false);
        folders::unmount(&self.folder);
    }
}

/// `x.db`, and its log or journal.
fn is_of_database(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    ["", "-wal", "-journal"].into_iter().any(|ending| name.ends_with(&format!(".db{ending}")))
}
