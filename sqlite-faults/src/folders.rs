//! The folders that have a disk of their own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::shared_disk::SharedDisk;

static DISKS: Mutex<Option<HashMap<PathBuf, Arc<SharedDisk>>>> = Mutex::new(None);

pub(crate) fn mount(folder: &Path, disk: &Arc<SharedDisk>) {
    disks().get_or_insert_default().insert(folder.to_owned(), Arc::clone(disk));
}

pub(crate) fn unmount(folder: &Path) {
    if let Some(disks) = &mut *disks() {
        disks.remove(folder);
    }
}

/// The disk below the folder of this file.
pub(crate) fn disk_of(file: &Path) -> Option<Arc<SharedDisk>> {
    disks().as_ref()?.get(file.parent()?).cloned()
}

fn disks() -> MutexGuard<'static, Option<HashMap<PathBuf, Arc<SharedDisk>>>> {
    DISKS.lock().unwrap_or_else(PoisonError::into_inner)
}
