//! `m2a completions`: a script for a shell.

use std::process::ExitCode;

use clap::Args;
use clap_complete::{Shell, generate};

use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Options {
    shell: Shell,
}

#[expect(clippy::unnecessary_wraps, reason = "every command has the same shape")]
pub(crate) fn run(options: Options, command: &mut clap::Command) -> Result<ExitCode, Failure> {
    generate(options.shell, command, "m2a", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}
