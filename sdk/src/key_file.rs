//! The file that stores an identity: mode 0600, replaced as a whole, refused if others may read it.
//!
//! The mode is not checked in a mounted Kubernetes Secret. Its files are links through kubelet's
//! `..data` folder, their mode is the pod's `defaultMode`, and only the pod sees them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use protocol::Identity;
use protocol::identity::KeyFileError;
use zeroize::Zeroizing;

use crate::private_file::{self, folder_of, mode_for_others, sync_folder_of};

/// Bytes of a key file. Two lists of 8 keys need less than 3 KiB.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Why a key file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is readable by others (mode {mode:o}); make it 0600", path.display())]
    Readable { path: PathBuf, mode: u32 },
    #[error("{} is too large for a key file", path.display())]
    TooLong { path: PathBuf },
    #[error("cannot use {}", path.display())]
    Parse { path: PathBuf, source: KeyFileError },
    #[error("{} already exists; it is never overwritten", path.display())]
    Exists { path: PathBuf },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
}

/// Reads a key file.
///
/// # Errors
/// The file does not exist, is not a key file, or is readable by others.
pub fn load(path: &Path) -> Result<Identity, KeyStoreError> {
    let read = |source| KeyStoreError::Read { path: path.into(), source };
    let metadata = fs::metadata(path).map_err(read)?;
    if let Some(mode) = mode_for_others(&metadata)
        && !in_mounted_secret(path)
    {
        return Err(KeyStoreError::Readable { path: path.into(), mode });
    }
    if metadata.len() > KEY_FILE_BYTES_MAX {
        return Err(KeyStoreError::TooLong { path: path.into() });
    }
    let text = fs::read_to_string(path).map(Zeroizing::new).map_err(read)?;
    Identity::from_key_file(&text).map_err(|source| KeyStoreError::Parse { path: path.into(), source })
}

/// Writes a new key file. Creates its folder, with mode 0700, if it does not exist.
///
/// # Errors
/// [`KeyStoreError::Exists`] if the file exists.
///
/// # Examples
/// ```
/// use msg2agent::{Identity, key_file};
///
/// # let folder = tempfile::tempdir()?;
/// # let now = 1_795_406_400;
/// let did = "did:wba:relay.example:agent:acme:alice".parse()?;
/// let identity = Identity::generate(did, now, &mut rand::rng());
/// let path = folder.path().join("identity.json");
/// key_file::create(&path, &identity)?;
/// assert_eq!(key_file::load(&path)?.did(), identity.did());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn create(path: &Path, identity: &Identity) -> Result<(), KeyStoreError> {
    let write = |source| KeyStoreError::Write { path: path.into(), source };
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        private_file::create_folder(folder).map_err(write)?;
    }
    let temporary = write_beside(path, identity).map_err(write)?;
    let named = name_new(&temporary, path);
    let _ = fs::remove_file(&temporary);
    named.map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => KeyStoreError::Exists { path: path.into() },
        _ => write(e),
    })?;
    sync_folder_of(path).map_err(write)
}

/// Gives a complete file its name, and fails if that exists. A hard link, unlike a rename, does so
/// in one step. File systems without links, such as exFAT, need two: an empty file keeps the name
/// free until the rename.
fn name_new(temporary: &Path, path: &Path) -> std::io::Result<()> {
    match fs::hard_link(temporary, path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
            private_file::options().write(true).create_new(true).open(path)?;
            fs::rename(temporary, path).inspect_err(|_| drop(fs::remove_file(path)))
        }
        linked => linked,
    }
}

/// Replaces the key file with one rename, so that a reader finds either the old keys or the new
/// ones.
///
/// # Errors
/// [`KeyStoreError::Write`]; the old file is then unchanged.
pub fn replace(path: &Path, identity: &Identity) -> Result<(), KeyStoreError> {
    let write = |source| KeyStoreError::Write { path: path.into(), source };
    let temporary = write_beside(path, identity).map_err(write)?;
    fs::rename(&temporary, path).map_err(|e| {
        let _ = fs::remove_file(&temporary);
        write(e)
    })?;
    sync_folder_of(path).map_err(write)
}

/// Whether keys can be rotated in place: a regular file in a writable folder, not in a mounted
/// Secret.
#[must_use]
pub fn is_writable(path: &Path) -> bool {
    let regular = fs::symlink_metadata(path).is_ok_and(|m| m.is_file());
    regular && !in_mounted_secret(path) && can_create_beside(path)
}

fn in_mounted_secret(path: &Path) -> bool {
    fs::symlink_metadata(folder_of(path).join("..data")).is_ok_and(|m| m.file_type().is_symlink())
}

fn can_create_beside(path: &Path) -> bool {
    let probe = beside(path, "probe");
    let created = private_file::options().write(true).create_new(true).open(&probe).is_ok();
    created && fs::remove_file(&probe).is_ok()
}

/// A name for a temporary file of this process next to the key file.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.{suffix}", std::process::id()));
    path.with_file_name(name)
}

fn write_beside(path: &Path, identity: &Identity) -> std::io::Result<PathBuf> {
    let temporary = beside(path, "new");
    let _ = fs::remove_file(&temporary);
    let mut file = private_file::options().write(true).create_new(true).open(&temporary)?;
    file.write_all(identity.to_key_file().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    Ok(temporary)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn identity() -> Identity {
        Identity::generate("did:wba:localhost:agent:alice".parse().unwrap(), 1, &mut rand::rng())
    }

    #[test]
    fn a_new_key_file_is_private_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile/identity.json");
        create(&path, &identity()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(load(&path).unwrap().did().name(), "alice");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn an_existing_key_file_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.json");
        create(&path, &identity()).unwrap();
        let before = fs::read(&path).unwrap();
        assert!(matches!(create(&path, &identity()), Err(KeyStoreError::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_file_system_without_links_takes_a_new_key_file_once() {
        let folder = tempfile::tempdir().unwrap();
        let (new, path) = (folder.path().join("new"), folder.path().join("identity.json"));
        fs::write(&new, "keys").unwrap();
        // A link from a file that does not exist fails as on a file system without links.
        let missing = folder.path().join("missing");
        assert!(name_new(&missing, &path).is_err() && !path.exists());
        name_new(&new, &path).unwrap();
        let again = name_new(&missing, &path).unwrap_err();
        assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "keys");
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.json");
        create(&path, &identity()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load(&path), Err(KeyStoreError::Readable { mode: 0o640, .. })));
    }

    #[test]
    fn a_mounted_secret_is_read_whatever_its_mode_and_never_written() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("..2026");
        create(&data.join("identity.json"), &identity()).unwrap();
        fs::set_permissions(data.join("identity.json"), fs::Permissions::from_mode(0o444)).unwrap();
        std::os::unix::fs::symlink("..2026", folder.path().join("..data")).unwrap();
        let path = folder.path().join("identity.json");
        std::os::unix::fs::symlink("..data/identity.json", &path).unwrap();
        assert_eq!(load(&path).unwrap().did().name(), "alice");
        assert!(!is_writable(&path));
    }

    #[test]
    fn a_rotated_identity_replaces_the_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.json");
        let mut identity = identity();
        create(&path, &identity).unwrap();
        assert!(is_writable(&path));
        identity.rotate(2, &mut rand::rng());
        replace(&path, &identity).unwrap();
        assert_eq!(load(&path).unwrap().current_signing().unwrap().kid.to_string(), "sig-2");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
