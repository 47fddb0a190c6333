//! Prepares `m2a` with its profiles in one folder and an otherwise empty environment.

use std::path::Path;
use std::process::Command;

pub(crate) fn m2a(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_m2a"));
    command.env_clear().env("MSG2AGENT_HOME", home);
    command
}
