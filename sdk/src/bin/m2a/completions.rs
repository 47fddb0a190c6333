//! `m2a completions`: a script for a shell.

use std::process::ExitCode;

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use crate::arguments::Arguments;
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Options {
    shell: Shell,
}

#[expect(clippy::unnecessary_wraps, reason = "every command has the same shape")]
pub(crate) fn run(options: Options) -> Result<ExitCode, Failure> {
    generate(options.shell, &mut Arguments::command(), "m2a", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}
