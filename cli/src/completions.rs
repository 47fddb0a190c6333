//! `m2a completions`: prints a shell completion script.

use std::process::ExitCode;

use clap::Args;
use clap_complete::{Shell, generate};

use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

#[expect(clippy::unnecessary_wraps, reason = "every command has the same shape")]
pub(crate) fn run(args: CompletionsArgs, command: &mut clap::Command) -> Result<ExitCode, Failure> {
    generate(args.shell, command, "m2a", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}
