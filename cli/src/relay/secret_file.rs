//! A new file of mode 0600 for a secret.
//!
//! It is created before the relay gets or creates the secret, so that no valid secret is lost.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use msg2agent::private_file;

use crate::failure::Failure;

pub(super) struct SecretFile {
    file: File,
    path: PathBuf,
    /// What the file contains, for error messages: `the API key`.
    what: &'static str,
}

impl SecretFile {
    /// Fails if the file exists; it is never overwritten.
    pub(super) fn create(path: &Path, what: &'static str) -> Result<Self, Failure> {
        let opened = private_file::options().write(true).create_new(true).open(path);
        let file = opened.map_err(|e| failed(what, path, e))?;
        Ok(Self { file, path: path.to_owned(), what })
    }

    /// Writes the secret and a line feed, with fsync.
    pub(super) fn write(mut self, secret: &str) -> Result<(), Failure> {
        let written = self.file.write_all(secret.as_bytes()).and_then(|()| self.file.write_all(b"\n"));
        written.and_then(|()| self.file.sync_all()).map_err(|e| failed(self.what, &self.path, e))
    }

    /// Removes the empty file, because there is no secret to write.
    pub(super) fn remove(self) {
        // A failure leaves an empty file, which is harmless.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> Failure {
    Failure::io(format!("cannot write {what} to {}", path.display()), error)
}
