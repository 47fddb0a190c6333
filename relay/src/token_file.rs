//! A file that holds one bearer token, and whether somebody presents it. Read at each request, so that a rotated Secret holds
//! at once; fails closed.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

/// Bytes of a token file; a longer one is not a token.
const TOKEN_BYTES_MAX: u64 = 4096;

/// White space at its ends does not count.
#[derive(Debug, Clone)]
pub struct TokenFile(PathBuf);

#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenFileError {
    #[error("failed to read the token file {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    #[error("the token file {} holds no token of at most {TOKEN_BYTES_MAX} bytes", .0.display())]
    FindToken(PathBuf),
}

impl TokenFile {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// # Errors
    /// There is no token to compare with, so nobody presents it.
    pub(crate) async fn is_presented(&self, presented: &str) -> Result<bool, TokenFileError> {
        Ok(matches(self.read().await?.trim(), presented))
    }

    async fn read(&self) -> Result<Zeroizing<String>, TokenFileError> {
        let failed = |error| TokenFileError::Read(self.0.clone(), error);
        let file = tokio::fs::File::open(&self.0).await.map_err(failed)?;
        let mut token = Zeroizing::new(String::new());
        file.take(TOKEN_BYTES_MAX + 1).read_to_string(&mut token).await.map_err(failed)?;
        let fits = u64::try_from(token.len()).is_ok_and(|bytes| bytes <= TOKEN_BYTES_MAX);
        if fits && !token.trim().is_empty() {
            Ok(token)
        } else {
            Err(TokenFileError::FindToken(self.0.clone()))
        }
    }
}

/// Compares hashes, so that neither content nor length shows in the time it takes.
fn matches(wanted: &str, presented: &str) -> bool {
    Sha256::digest(wanted).as_slice().ct_eq(Sha256::digest(presented).as_slice()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_matches() {
        assert!(matches("token", "token"));
        for other in ["", "toke", "token ", "Token"] {
            assert!(!matches("token", other), "{other:?}");
        }
    }

    #[tokio::test]
    async fn a_file_without_a_token_lets_nobody_in_and_a_new_token_holds_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let file = TokenFile::at(path.clone());
        assert!(matches!(file.is_presented("x").await, Err(TokenFileError::Read(..))));
        for none in ["", " \n", &"x".repeat(5000)] {
            std::fs::write(&path, none).unwrap();
            assert!(matches!(file.is_presented(none.trim()).await, Err(TokenFileError::FindToken(_))));
        }
        std::fs::write(&path, "first\n").unwrap();
        assert!(file.is_presented("first").await.unwrap());
        std::fs::write(&path, "second\n").unwrap();
        assert!(!file.is_presented("first").await.unwrap() && file.is_presented("second").await.unwrap());
    }
}
