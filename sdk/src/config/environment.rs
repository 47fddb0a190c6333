//! Settings from environment variables `MSG2AGENT_*`.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{Config, Endpoint, KeySource};
use crate::{Error, ErrorKind, TokenSource};

impl Config {
    /// | variable | meaning |
    /// |---|---|
    /// | `MSG2AGENT_DIR` | a folder as in [`Config::from_dir`]; the others below, but the last two, are then not needed |
    /// | `MSG2AGENT_URL`, `MSG2AGENT_DID` | the relay, the agent |
    /// | `MSG2AGENT_TOKEN_FILE` or `MSG2AGENT_TOKEN` | the API key; a file is read again when the key is refused |
    /// | `MSG2AGENT_IDENTITY_FILE` | the key file |
    /// | `MSG2AGENT_CA_FILE` | PEM certificates of a private authority |
    /// | `MSG2AGENT_STATE_DIR` | see [`Config::with_state_dir`] |
    /// | `MSG2AGENT_INSECURE_PLAINTEXT` | `true` allows `ws://` to other machines |
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the variable.
    pub fn from_env() -> Result<Self, Error> {
        let config = match text("MSG2AGENT_DIR")? {
            Some(folder) => Self::from_dir(folder)?,
            None => from_variables()?,
        };
        Ok(match text("MSG2AGENT_STATE_DIR")? {
            Some(folder) => config.with_state_dir(folder),
            None => config,
        })
    }
}

fn from_variables() -> Result<Config, Error> {
    let ca = match text("MSG2AGENT_CA_FILE")? {
        Some(path) if !Path::new(&path).is_file() => return Err(missing("MSG2AGENT_CA_FILE")),
        path => path.map(PathBuf::from),
    };
    let endpoint = endpoint(&required("MSG2AGENT_URL")?, ca)?;
    let keys = KeySource::File(required("MSG2AGENT_IDENTITY_FILE")?.into());
    Ok(Config::new(endpoint, required("MSG2AGENT_DID")?.parse()?, token()?, keys))
}

fn token() -> Result<TokenSource, Error> {
    if let Some(path) = text("MSG2AGENT_TOKEN_FILE")? {
        return Ok(TokenSource::File(path.into()));
    }
    let value = Zeroizing::new(required("MSG2AGENT_TOKEN")?);
    let failed = |e: protocol::api_key::ApiKeyError| {
        Error::new(ErrorKind::Config, "cannot use MSG2AGENT_TOKEN").caused_by(e)
    };
    value.parse().map(TokenSource::Value).map_err(failed)
}

/// An endpoint with the environment's leave for plaintext. `ca` is a file of certificates.
pub(super) fn endpoint(url: &str, ca: Option<PathBuf>) -> Result<Endpoint, Error> {
    let endpoint = if flag("MSG2AGENT_INSECURE_PLAINTEXT")? {
        Endpoint::new_insecure_plaintext(url)?
    } else {
        Endpoint::new(url)?
    };
    Ok(match ca {
        Some(path) => endpoint.with_ca_file(path),
        None => endpoint,
    })
}

/// Whether the environment names a relay.
pub(super) fn present() -> bool {
    ["MSG2AGENT_DIR", "MSG2AGENT_URL"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()))
}

/// A variable's text; an empty one counts as absent.
pub(super) fn text(name: &str) -> Result<Option<String>, Error> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(e) => Err(Error::new(ErrorKind::Config, format!("cannot read {name}")).caused_by(e)),
    }
}

pub(super) fn flag(name: &str) -> Result<bool, Error> {
    match text(name)?.as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Error::new(ErrorKind::Config, format!("{name} is neither true nor false"))),
    }
}

fn required(name: &str) -> Result<String, Error> {
    text(name)?.ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{name} is not set, or names no file"))
        .advising("set it, or give a folder by MSG2AGENT_DIR")
}
