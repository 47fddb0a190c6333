//! The command line: settings as flags, to run a relay or to print the settings.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use crate::config::{self, Config, ConfigError, Layer};

/// Relay for messages between agents, with a public WebSocket listener and an admin listener.
#[derive(Debug, Parser)]
#[command(name = "msg2agent-relay", version)]
pub struct Cli {
    /// TOML file with settings. Names are those of the flags, with `_` for `-`, in the tables
    /// [tls], [oauth] and [limits].
    #[arg(long, env = "MSG2AGENT_RELAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the effective settings as such a file, without secrets, and exit.
    #[arg(long)]
    pub print_config: bool,
    #[command(flatten)]
    settings: Layer,
}

impl Cli {
    /// # Errors
    /// A malformed value, with the name of its flag, or the help text.
    pub fn parse_from_args(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::from_arg_matches(&Self::command().try_get_matches_from(arguments)?)
    }

    /// # Errors
    /// A sentence that names the invalid setting.
    pub fn load_config(self) -> Result<Config, ConfigError> {
        let environment: Vec<_> = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect();
        config::load(self.settings, self.config.as_deref(), &environment, &known_variables())
    }
}

/// The environment variables that settings read.
fn known_variables() -> Vec<String> {
    let command = Cli::command();
    command.get_arguments().filter_map(|a| a.get_env()?.to_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn every_setting_has_a_flag_and_a_variable_of_the_same_name() {
        Cli::command().debug_assert();
        for argument in Cli::command().get_arguments().filter(|a| a.get_id() != "print_config") {
            let (Some(flag), Some(variable)) = (argument.get_long(), argument.get_env()) else { continue };
            if ["HTTPS_PROXY", "NO_PROXY"].map(OsStr::new).contains(&variable) {
                continue; // The names that every program reads.
            }
            let expected = format!("MSG2AGENT_RELAY_{}", flag.to_uppercase().replace('-', "_"));
            assert_eq!(variable.to_str(), Some(expected.as_str()));
        }
        assert!(known_variables().contains(&"MSG2AGENT_RELAY_LIMIT_AGENTS".to_owned()));
    }
}
