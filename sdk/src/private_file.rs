//! Files and folders that only their owner can read, and how they become durable.
//!
//! Modes exist on Unix only. On Windows the files have the access list of the folder they are in,
//! which for a user's profile is the user.

use std::fs::{self, File, Metadata, OpenOptions};
use std::path::Path;

/// Options to open a file that only its owner can read, if it is created by it. Access is to be
/// added.
#[must_use]
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    set_mode(&mut options);
    options
}

#[cfg(unix)]
fn set_mode(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600);
}

#[cfg(not(unix))]
fn set_mode(_: &mut OpenOptions) {}

/// Creates a folder that only its owner can access, and those above it that are missing. What is
/// created has a durable name. One that exists keeps its mode.
///
/// # Errors
/// The folder cannot be created or synced.
pub fn create_folder(folder: &Path) -> std::io::Result<()> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<_> = folder.ancestors().take_while(is_missing).collect();
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.recursive(true).create(folder)?;
    missing.into_iter().try_for_each(sync_folder_of)
}

/// The mode of a file that others than its owner can read; `None` if there are none.
#[cfg(unix)]
pub(crate) fn mode_for_others(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
pub(crate) fn mode_for_others(_: &Metadata) -> Option<u32> {
    None
}

/// Makes the names in the folder of this file durable, after one was created or renamed. Windows
/// has no such call; its file systems write names with the file.
pub(crate) fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder_of(path))?.sync_all() } else { Ok(()) }
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
