//! The folder of signing keys: `*.pem` files in the order of their names. An operator mounts a Secret there; on a laptop
//! one key is made at the first start.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::SigningKey;

/// Keys in one folder: the active one, a staged one, and those whose tokens have not expired yet.
const KEYS_MAX: usize = 16;
/// Bytes of a key file; PKCS#8 of Ed25519 has 119 in PEM.
const FILE_BYTES_MAX: u64 = 4096;
/// Name of the key that is made at the first start.
const FIRST_KEY: &str = "key-1.pem";

#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("failed to read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("failed to write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} holds no *.pem file with a signing key", .0.display())]
    Empty(PathBuf),
    #[error("{} holds more than {KEYS_MAX} signing keys", .0.display())]
    TooMany(PathBuf),
    #[error("{} is not an Ed25519 private key in PKCS#8 PEM", .0.display())]
    Form(PathBuf),
}

#[derive(Debug, Clone)]
pub(in crate::oauth) struct KeyFolder(PathBuf);

impl KeyFolder {
    pub(in crate::oauth) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder with one key where there is no folder.
    pub(in crate::oauth) fn ensure(&self, rng: &mut impl CryptoRng) -> Result<(), KeysError> {
        if self.0.join(FIRST_KEY).exists() {
            return Ok(());
        }
        let failed = |source| KeysError::Write { path: self.0.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(failed)?;
        if !self.files()?.is_empty() {
            return Ok(());
        }
        let mut seed = Zeroizing::new([0u8; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeysError::Form(self.0.clone()))?;
        self.write_first(&pem).map_err(failed)
    }

    /// Whole or not at all: written under another name, synced, then renamed.
    fn write_first(&self, pem: &str) -> io::Result<()> {
        let new = self.0.join("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(pem.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(new, self.0.join(FIRST_KEY))
    }

    /// All keys; the last one signs.
    pub(super) fn read(&self) -> Result<Vec<SigningKey>, KeysError> {
        let files = self.files()?;
        if files.len() > KEYS_MAX {
            return Err(KeysError::TooMany(self.0.clone()));
        }
        files.into_iter().map(read).collect()
    }

    fn files(&self) -> Result<Vec<PathBuf>, KeysError> {
        let failed = |source| KeysError::Read { path: self.0.clone(), source };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.0).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && path.extension().is_some_and(|extension| extension == "pem") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}

fn read(path: PathBuf) -> Result<SigningKey, KeysError> {
    let mut text = Zeroizing::new(String::new());
    let opened = std::fs::File::open(&path);
    let read = opened
        .and_then(|file| io::Read::read_to_string(&mut io::Read::take(file, FILE_BYTES_MAX), &mut text));
    if let Err(source) = read {
        return Err(KeysError::Read { path, source });
    }
    let key = ed25519_dalek::SigningKey::from_pkcs8_pem(&text).map_err(|_| KeysError::Form(path))?;
    Ok(SigningKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_key_by_name_signs_and_the_first_start_makes_one() {
        let parent = tempfile::tempdir().unwrap();
        let folder = KeyFolder::at(parent.path().join("keys"));
        folder.ensure(&mut rand::rng()).unwrap();
        folder.ensure(&mut rand::rng()).unwrap();
        let first = folder.read().unwrap();
        assert_eq!(first.len(), 1);
        // RFC 8410 section 10.3.
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        std::fs::write(parent.path().join("keys/key-2.pem"), pem).unwrap();
        std::fs::write(parent.path().join("keys/README"), "not a key").unwrap();
        let both = folder.read().unwrap();
        assert_eq!(both.len(), 2);
        assert_eq!(both[0].kid(), first[0].kid());
        assert_ne!(both[1].kid(), first[0].kid());
    }

    #[test]
    fn a_damaged_key_is_refused_by_its_name() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("a.pem"), "damaged").unwrap();
        let error = KeyFolder::at(parent.path().into()).read().map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("a.pem is not an Ed25519 private key"), "{error}");
    }
}
