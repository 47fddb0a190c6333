//! Reads a file that holds one secret: a bearer token or an API key.
//!
//! [`TokenFile`] reads the file at each use and fails closed: without a readable file there is no
//! token. [`ReloadingToken`] keeps the last token that could be read and follows changes of the
//! file.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

mod reloading;
mod token;

pub use reloading::ReloadingToken;
pub use token::Token;

/// Bytes of a token file. Tokens have fewer than 100; a longer file holds something else.
pub const TOKEN_FILE_BYTES_MAX: usize = 4096;

/// The path of a file that holds one token. White space around the token is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFile(Arc<Path>);

/// Why a token file has no usable token. The texts never contain the token.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// The file does not exist, cannot be read, or is not UTF-8.
    #[error("failed to read the token file {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The file is empty or longer than [`TOKEN_FILE_BYTES_MAX`].
    #[error("the token file {} holds no token of at most {TOKEN_FILE_BYTES_MAX} bytes", .0.display())]
    NoToken(PathBuf),
    /// The file holds text that is not a token of the expected kind.
    #[error("the token file {} holds no usable token", .0.display())]
    Parse(PathBuf, #[source] Box<dyn Error + Send + Sync>),
}

impl TokenFile {
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self(path.as_ref().into())
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the token.
    ///
    /// # Errors
    /// [`TokenFileError::Read`] and [`TokenFileError::NoToken`].
    pub async fn read(&self) -> Result<Token, TokenFileError> {
        let file = self.clone();
        let read = tokio::task::spawn_blocking(move || file.read_blocking()).await;
        read.unwrap_or_else(|error| Err(TokenFileError::Read(self.0.to_path_buf(), io::Error::other(error))))
    }

    /// Reads the token and blocks the thread until it is read.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_blocking(&self) -> Result<Token, TokenFileError> {
        let text =
            read_limited(&self.0).map_err(|error| TokenFileError::Read(self.0.to_path_buf(), error))?;
        let fits = text.len() <= TOKEN_FILE_BYTES_MAX;
        let token = Token::new(text.trim());
        if fits && !token.as_str().is_empty() {
            Ok(token)
        } else {
            Err(TokenFileError::NoToken(self.0.to_path_buf()))
        }
    }

    /// Whether `presented` is the token that the file holds now, so that a rotated Secret takes
    /// effect at the next request.
    ///
    /// # Errors
    /// As [`Self::read`]. Nothing matches then: refuse the request.
    pub async fn is_presented(&self, presented: &str) -> Result<bool, TokenFileError> {
        Ok(self.read().await?.matches(presented))
    }

    /// Logs a warning when every user of the machine may read the file. Mounted Kubernetes Secrets
    /// are exempt: the pod sets their mode, and only the pod sees them.
    pub fn warn_if_world_readable(&self) {
        use std::os::unix::fs::PermissionsExt as _;
        let Ok(metadata) = std::fs::metadata(&self.0) else { return };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o007 != 0 && !self.is_in_mounted_secret() {
            let path = self.0.display();
            tracing::warn!(%path, mode = format!("{mode:o}"), "every user may read the token file; set its mode to 0600");
        }
    }

    /// kubelet swaps the files of a mounted Secret through the link `..data` in their folder.
    fn is_in_mounted_secret(&self) -> bool {
        self.0.parent().is_some_and(|folder| folder.join("..data").is_symlink())
    }
}

/// At most one byte more than a token file may have. The buffer never grows, since a buffer that
/// grows leaves copies of the secret in freed memory.
fn read_limited(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(TOKEN_FILE_BYTES_MAX + 64));
    let limit = u64::try_from(TOKEN_FILE_BYTES_MAX + 1).unwrap_or(u64::MAX);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    let text =
        std::str::from_utf8(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_without_a_token_lets_nobody_in_and_a_new_token_holds_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let file = TokenFile::new(&path);
        assert!(matches!(file.is_presented("x").await, Err(TokenFileError::Read(..))));
        for none in ["", " \n", &"x".repeat(5000)] {
            std::fs::write(&path, none).unwrap();
            assert!(matches!(file.is_presented(none.trim()).await, Err(TokenFileError::NoToken(_))));
        }
        std::fs::write(&path, "first\n").unwrap();
        assert!(file.is_presented("first").await.unwrap());
        std::fs::write(&path, "second\n").unwrap();
        assert!(!file.is_presented("first").await.unwrap() && file.is_presented("second").await.unwrap());
    }

    #[test]
    fn bytes_that_are_not_text_are_not_a_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(TokenFile::new(&path).read_blocking(), Err(TokenFileError::Read(..))));
    }

    #[test]
    fn the_longest_token_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "x".repeat(TOKEN_FILE_BYTES_MAX)).unwrap();
        assert_eq!(TokenFile::new(&path).read_blocking().unwrap().as_str().len(), TOKEN_FILE_BYTES_MAX);
    }
}
