//! Small files with a secret, which only their owner can read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Bytes of a secret: a generated one has 43, a mounted one may be longer.
const SECRET_BYTES_MAX: u64 = 4096;

#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    #[error("failed to read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("failed to write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} can be read by every user; set its mode to 0600", .0.display())]
    ReadableByAll(PathBuf),
}

/// The content of `path`. If the file does not exist, it is created with the content that `make`
/// returns; an existing file is never overwritten.
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
    file.take(SECRET_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Creates the file atomically, also if the process crashes: it is written under another name,
/// synced, and then renamed.
fn create(path: &Path, secret: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// The group may read, because volumes in Kubernetes belong to a group.
pub(super) fn refuse_readable_by_all(path: &Path) -> Result<(), SecretFileError> {
    let metadata =
        std::fs::metadata(path).map_err(|source| SecretFileError::Read { path: path.to_owned(), source })?;
    if metadata.permissions().mode() & 0o007 == 0 {
        Ok(())
    } else {
        Err(SecretFileError::ReadableByAll(path.to_owned()))
    }
}
