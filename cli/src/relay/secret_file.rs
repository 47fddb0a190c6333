//! A new file of mode 0600 for a secret. It is made before the relay is told, so that no secret is valid that nobody has.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

pub(super) struct SecretFile {
    file: File,
    path: PathBuf,
    /// For error messages: `the API key`.
    what: &'static str,
}

impl SecretFile {
    /// A file that exists is never written over.
    pub(super) fn create(path: &Path, what: &'static str) -> Result<Self, Failure> {
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = opened.map_err(|e| failed(what, path, e))?;
        Ok(Self { file, path: path.to_owned(), what })
    }

    /// Writes the secret and a line feed; on disk when it returns.
    pub(super) fn write(mut self, secret: &str) -> Result<(), Failure> {
        let written = self.file.write_all(secret.as_bytes()).and_then(|()| self.file.write_all(b"\n"));
        written.and_then(|()| self.file.sync_all()).map_err(|e| failed(self.what, &self.path, e))
    }

    /// Takes the empty file away, because there is no secret to put into it.
    pub(super) fn abandon(self) {
        // What stays is an empty file, which harms nobody.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> Failure {
    Failure::io(format!("cannot write {what} to {}", path.display()), error)
}
