//! The folder of signing keys: `*.pem` files in the order of their names. An operator mounts a
//! Secret there; on a laptop one key is generated at the first start.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::signing_key::SigningKey;

/// The most keys in a folder: the active one, the next one, and those whose tokens have not expired
/// yet.
const KEYS_MAX: usize = 16;
/// The longest key file, in bytes; an Ed25519 key in PKCS#8 PEM has 119.
const FILE_BYTES_MAX: u64 = 4096;
/// The name of the key that is generated at the first start.
const FIRST_KEY: &str = "key-1.pem";

/// Why the signing keys could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeysError {
    /// The folder or a file cannot be read.
    #[error("failed to read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The first key cannot be written.
    #[error("failed to write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The folder has no key.
    #[error("{} has no *.pem file with a signing key", .0.display())]
    Empty(PathBuf),
    /// The folder has too many keys.
    #[error("{} has more than {KEYS_MAX} signing keys", .0.display())]
    TooMany(PathBuf),
    /// A file is not a key.
    #[error("{} is not an Ed25519 private key in PKCS#8 PEM", .0.display())]
    Form(PathBuf),
}

/// A folder of signing keys.
#[derive(Debug, Clone)]
pub(crate) struct KeyFolder(PathBuf);

impl KeyFolder {
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Creates the folder and generates one key, unless the folder already has a key.
    pub(crate) fn ensure(&self, rng: &mut impl CryptoRng) -> Result<(), SigningKeysError> {
        if self.0.join(FIRST_KEY).exists() {
            return Ok(());
        }
        let failed = |source| SigningKeysError::Write { path: self.0.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(failed)?;
        if !self.files()?.is_empty() {
            return Ok(());
        }
        let mut seed = Zeroizing::new([0u8; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|_| SigningKeysError::Form(self.0.clone()))?;
        self.write_first(&pem).map_err(failed)
    }

    /// Writes the file completely or not at all: under another name, synced, then renamed.
    fn write_first(&self, pem: &str) -> io::Result<()> {
        let new = self.0.join("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(pem.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(new, self.0.join(FIRST_KEY))
    }

    /// All keys; the last one signs.
    pub(crate) fn read(&self) -> Result<Vec<SigningKey>, SigningKeysError> {
        let files = self.files()?;
        if files.len() > KEYS_MAX {
            return Err(SigningKeysError::TooMany(self.0.clone()));
        }
        files.into_iter().map(read).collect()
    }

    fn files(&self) -> Result<Vec<PathBuf>, SigningKeysError> {
        let failed = |source| SigningKeysError::Read { path: self.0.clone(), source };
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

fn read(path: PathBuf) -> Result<SigningKey, SigningKeysError> {
    let mut text = Zeroizing::new(String::new());
    let opened = std::fs::File::open(&path);
    let read = opened
        .and_then(|file| io::Read::read_to_string(&mut io::Read::take(file, FILE_BYTES_MAX), &mut text));
    if let Err(source) = read {
        return Err(SigningKeysError::Read { path, source });
    }
    let key = ed25519_dalek::SigningKey::from_pkcs8_pem(&text).map_err(|_| SigningKeysError::Form(path))?;
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
