//! Small files that only their owner reads.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Bytes read of a secret; ours have 43, one that an operator mounts may be longer.
const BYTES_MAX: u64 = 4096;

#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    #[error("failed to read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("failed to write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} may be read by every user; set its mode to 0600", .0.display())]
    ReadableByAll(PathBuf),
}

/// The content of `path`, made by `make` when there is no such file. An existing file is never overwritten.
pub(super) fn read_or_create(
    path: &Path,
    make: impl FnOnce() -> Zeroizing<String>,
) -> Result<Zeroizing<String>, SecretFileError> {
    match File::open(path) {
        Ok(file) => read(file).map_err(|source| SecretFileError::Read { path: path.to_owned(), source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = make();
            create(path, &secret)
                .map_err(|source| SecretFileError::Write { path: path.to_owned(), source })?;
            Ok(secret)
        }
        Err(source) => Err(SecretFileError::Read { path: path.to_owned(), source }),
    }
}

fn read(file: File) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    file.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Whole or not at all, also through a crash: written under another name, synced, then linked.
fn create(path: &Path, secret: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// The group may read: volumes in Kubernetes are handed to a group.
pub(super) fn refuse_readable_by_all(path: &Path) -> Result<(), SecretFileError> {
    let metadata =
        std::fs::metadata(path).map_err(|source| SecretFileError::Read { path: path.to_owned(), source })?;
    if metadata.permissions().mode() & 0o007 == 0 {
        Ok(())
    } else {
        Err(SecretFileError::ReadableByAll(path.to_owned()))
    }
}
