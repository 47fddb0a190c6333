//! Copies the files of a relay's volume.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use anyhow::Context as _;

/// The volume as the relay's process sees it.
pub(crate) const DATA: &str = "/var/lib/msg2agent";

/// Copies the files of one folder with their owners, which the relay's user must stay.
///
/// # Errors
/// A file cannot be read or written.
pub(crate) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("list {}", from.display()))? {
        let path = entry?.path();
        let (true, Some(name)) = (path.is_file(), path.file_name()) else { continue };
        let (copied, metadata) = (to.join(name), fs::metadata(&path)?);
        fs::copy(&path, &copied).with_context(|| format!("copy {}", path.display()))?;
        chown(&copied, Some(metadata.uid()), Some(metadata.gid()))?;
    }
    Ok(())
}
