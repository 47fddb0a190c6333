//! Reads settings from environment variables `MSG2AGENT_*`.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::endpoint::Endpoint;
use super::profile::DEFAULT_PROFILE;
use super::settings::{Config, KeySource};
use super::variables::{flag, is_set, text};
use crate::error::{Error, ErrorKind};
use crate::token::TokenSource;

impl Config {
    /// Uses the first source that exists:
    ///
    /// 1. the environment, if `MSG2AGENT_DIR` or `MSG2AGENT_URL` is set
    ///    ([`from_env`](Self::from_env)),
    /// 2. the profile that `MSG2AGENT_PROFILE` names,
    /// 3. the profile `default`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`]; the text contains the setting's name.
    pub fn find() -> Result<Self, Error> {
        if is_set("MSG2AGENT_DIR") || is_set("MSG2AGENT_URL") {
            return Self::from_env();
        }
        let name = text("MSG2AGENT_PROFILE")?;
        Self::from_profile(name.as_deref().unwrap_or(DEFAULT_PROFILE))
    }

    /// Reads environment variables.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `MSG2AGENT_DIR` | a folder as for [`Config::from_dir`]; it replaces the variables up to `MSG2AGENT_CA_FILE` |
    /// | `MSG2AGENT_URL`, `MSG2AGENT_DID` | the relay, the agent |
    /// | `MSG2AGENT_TOKEN_FILE` or `MSG2AGENT_TOKEN` | the API key; a file is read at every connection attempt |
    /// | `MSG2AGENT_IDENTITY_FILE` | the key file |
    /// | `MSG2AGENT_CA_FILE` | PEM certificates of a private certificate authority |
    /// | `MSG2AGENT_STATE_DIR` | see [`Config::with_state_dir`] |
    /// | `MSG2AGENT_INSECURE_PLAINTEXT` | `true` allows `ws://` to hosts other than this one |
    /// | `MSG2AGENT_DIRECT`, `MSG2AGENT_DIRECT_ADVERTISE` | with the feature `direct`, see `docs/direct.md` |
    /// | `MSG2AGENT_ACCEPT_ANNOUNCED_ROOT_KEYS` | `true`: see [`Config::accepting_announced_root_keys`] |
    ///
    /// # Errors
    /// [`ErrorKind::Config`]; the text contains the variable's name.
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

impl Config {
    /// Whom the agent trusts is a decision of who runs it, wherever its credentials come from.
    pub(super) fn with_trust_from_variables(self) -> Result<Self, Error> {
        let accepts = flag("MSG2AGENT_ACCEPT_ANNOUNCED_ROOT_KEYS")?;
        Ok(if accepts { self.accepting_announced_root_keys() } else { self })
    }

    /// Direct connections as the variables and the files of this folder say.
    #[cfg(feature = "direct")]
    pub(super) fn with_direct_from(self, folder: Option<&Path>) -> Result<Self, Error> {
        Ok(match super::DirectSettings::from_variables(folder)? {
            Some(direct) => self.with_direct(direct),
            None => self,
        })
    }

    /// A program without direct connections must not be thought to have them.
    #[cfg(not(feature = "direct"))]
    pub(super) fn with_direct_from(self, _: Option<&Path>) -> Result<Self, Error> {
        if is_set("MSG2AGENT_DIRECT") {
            return Err(Error::new(ErrorKind::Config, "cannot use MSG2AGENT_DIRECT")
                .advising("build the program with the feature `direct` of the crate `msg2agent`"));
        }
        Ok(self)
    }
}

fn from_variables() -> Result<Config, Error> {
    let ca = match text("MSG2AGENT_CA_FILE")? {
        Some(path) if !Path::new(&path).is_file() => return Err(missing("MSG2AGENT_CA_FILE")),
        path => path.map(PathBuf::from),
    };
    let endpoint =
        Endpoint::from_setting(&required("MSG2AGENT_URL")?, ca, flag("MSG2AGENT_INSECURE_PLAINTEXT")?)?;
    let keys = KeySource::File(required("MSG2AGENT_IDENTITY_FILE")?.into());
    Config::new(endpoint, required("MSG2AGENT_DID")?.parse()?, token()?, keys)
        .with_direct_from(None)?
        .with_trust_from_variables()
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

fn required(name: &str) -> Result<String, Error> {
    text(name)?.ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{name} is not set, or its file does not exist"))
        .advising("set it, or set MSG2AGENT_DIR to a folder with all settings")
}
