//! Where the API key comes from. A file is read again at every connection, so that a rotated key is picked up.

use std::path::PathBuf;

use protocol::api_key::ApiKey;
use zeroize::Zeroizing;

use crate::{Error, ErrorKind};

/// An API key, or the file that holds the current one.
#[derive(Clone)]
pub enum TokenSource {
    /// Read again at every connection attempt.
    File(PathBuf),
    Value(ApiKey),
}

impl TokenSource {
    pub(crate) fn read(&self) -> Result<ApiKey, Error> {
        match self {
            Self::Value(key) => Ok(key.clone()),
            Self::File(path) => {
                let failed = || {
                    Error::new(ErrorKind::Config, format!("cannot read the API key in {}", path.display()))
                        .advising("put the agent's current API key (sk_live_...) into that file")
                };
                let text =
                    std::fs::read_to_string(path).map(Zeroizing::new).map_err(|e| failed().caused_by(e))?;
                text.trim().parse().map_err(|e: protocol::api_key::ApiKeyError| failed().caused_by(e))
            }
        }
    }

    /// Whether a refused key may be replaced by another one without a restart.
    pub(crate) fn rotates(&self) -> bool {
        matches!(self, Self::File(_))
    }
}
