//! Profiles of the command line: one folder per agent in the user's configuration folder, in the layout of
//! [`Config::from_dir`], with the state folder `state` in it.

use std::path::PathBuf;
use std::time::Duration;

use protocol::did::AgentName;

use super::{Config, environment};
use crate::{Error, ErrorKind};

pub const DEFAULT_PROFILE: &str = "default";
/// A person is waiting.
const PATIENCE: Duration = Duration::from_secs(5);

impl Config {
    /// The profile of that name: `$MSG2AGENT_HOME/<name>`, else `$XDG_CONFIG_HOME/msg2agent/<name>`, else
    /// `~/.config/msg2agent/<name>`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when there is no such profile.
    pub fn from_profile(name: &str) -> Result<Self, Error> {
        let folder = profile_folder(name)?;
        if !folder.is_dir() {
            return Err(Error::new(
                ErrorKind::Config,
                format!("there is no profile {name:?} in {}", folder.display()),
            )
            .advising("make one with `m2a init`, or try everything on this machine with `m2a dev`"));
        }
        let mut config =
            Self::from_dir(&folder)?.with_state_dir(folder.join("state")).with_patience(PATIENCE);
        config.awaits_credentials = false;
        Ok(config)
    }
}

/// Where the profile of that name is or would be.
///
/// # Errors
/// [`ErrorKind::Config`] for a name that is not a plain label, or when no home folder is known.
pub fn profile_folder(name: &str) -> Result<PathBuf, Error> {
    let plain = name == DEFAULT_PROFILE || name.parse::<AgentName>().is_ok();
    if !plain {
        return Err(Error::new(ErrorKind::Config, format!("{name:?} cannot be the name of a profile"))
            .advising("use 1 to 63 characters of a-z, 0-9 and -"));
    }
    Ok(profiles()?.join(name))
}

/// The folder that holds all profiles.
///
/// # Errors
/// [`ErrorKind::Config`] when no home folder is known.
pub fn profiles() -> Result<PathBuf, Error> {
    if let Some(folder) = environment::text("MSG2AGENT_HOME")? {
        return Ok(folder.into());
    }
    if let Some(folder) = environment::text("XDG_CONFIG_HOME")? {
        return Ok(PathBuf::from(folder).join("msg2agent"));
    }
    let home = environment::text("HOME")?.ok_or_else(|| {
        Error::new(ErrorKind::Config, "cannot find the user's configuration folder")
            .advising("set MSG2AGENT_HOME")
    })?;
    Ok(PathBuf::from(home).join(".config/msg2agent"))
}
