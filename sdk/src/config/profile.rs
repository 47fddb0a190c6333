//! Profiles of the command line: a folder per agent in the user's configuration folder.
//!
//! A profile has the layout of [`Config::from_dir`], and the state folder `state` inside.

use std::path::PathBuf;
use std::time::Duration;

use protocol::did::AgentName;

use super::settings::Config;
use super::variables::text;
use crate::error::{Error, ErrorKind};

/// The profile that is used when none is named.
pub const DEFAULT_PROFILE: &str = "default";
/// How long a command tries to connect. It is short because a person waits.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Config {
    /// Reads the profile of that name: `$MSG2AGENT_HOME/<name>`, else
    /// `$XDG_CONFIG_HOME/msg2agent/<name>`, else `~/.config/msg2agent/<name>`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the profile does not exist.
    pub fn from_profile(name: &str) -> Result<Self, Error> {
        let folder = profile_dir(name)?;
        if !folder.is_dir() {
            return Err(Error::new(
                ErrorKind::Config,
                format!("cannot find the profile {name:?} in {}", folder.display()),
            )
            .advising("create one with `m2a init`, or try everything on this machine with `m2a dev`"));
        }
        let mut config = Self::from_dir(&folder)?
            .with_state_dir(folder.join("state"))
            .with_connect_timeout(CONNECT_TIMEOUT);
        config.awaits_credentials = false;
        Ok(config)
    }
}

/// The folder of the profile of that name, whether or not it exists.
///
/// # Errors
/// [`ErrorKind::Config`] for a name that is not a DNS label, or if no home folder is known.
pub fn profile_dir(name: &str) -> Result<PathBuf, Error> {
    let plain = name == DEFAULT_PROFILE || name.parse::<AgentName>().is_ok();
    if !plain {
        return Err(Error::new(ErrorKind::Config, format!("{name:?} is not a valid profile name"))
            .advising("use 1 to 63 characters of a-z, 0-9 and -"));
    }
    Ok(profiles_dir()?.join(name))
}

/// The folder that holds all profiles.
///
/// # Errors
/// [`ErrorKind::Config`] if no home folder is known.
pub fn profiles_dir() -> Result<PathBuf, Error> {
    if let Some(folder) = text("MSG2AGENT_HOME")? {
        return Ok(folder.into());
    }
    if let Some(folder) = text("XDG_CONFIG_HOME")? {
        return Ok(PathBuf::from(folder).join("msg2agent"));
    }
    let home = text("HOME")?.ok_or_else(|| {
        Error::new(ErrorKind::Config, "cannot find the user's configuration folder")
            .advising("set MSG2AGENT_HOME")
    })?;
    Ok(PathBuf::from(home).join(".config/msg2agent"))
}
