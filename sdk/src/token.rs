//! The source of the API key.

use std::path::PathBuf;

use protocol::api_key::ApiKey;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind};

/// Where the API key comes from.
#[derive(Clone)]
pub enum TokenSource {
    /// A file. It is read at every connection attempt, so that the agent picks up a rotated key.
    File(PathBuf),
    /// A key that never changes. An agent that the relay answers `key_unknown` tries it for five
    /// more minutes after its last session, because a relay that was restored is told its keys
    /// again; then the agent ends.
    Value(ApiKey),
}

impl TokenSource {
    pub(crate) fn read(&self) -> Result<ApiKey, Error> {
        match self {
            Self::Value(key) => Ok(key.clone()),
            Self::File(path) => {
                let failed = || {
                    Error::new(ErrorKind::Config, format!("cannot read the API key in {}", path.display()))
                        .advising("write the agent's current API key (sk_live_...) to that file")
                };
                let text =
                    std::fs::read_to_string(path).map(Zeroizing::new).map_err(|e| failed().caused_by(e))?;
                text.trim().parse().map_err(|e: protocol::api_key::ApiKeyError| failed().caused_by(e))
            }
        }
    }

    /// Whether another key may take the place of a rejected one without a restart.
    pub(crate) fn rotates(&self) -> bool {
        matches!(self, Self::File(_))
    }
}
