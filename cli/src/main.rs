//! `m2a`, the command line of msg2agent; `kubectl-m2a` is the same program. One file per command.

mod agents;
mod arguments;
mod ask;
mod completions;
mod connect;
mod dev;
mod doctor;
mod failure;
mod inbox;
mod init;
mod listen;
mod log;
mod output;
mod printed;
mod proof_file;
mod relay;
mod rotate;
mod send;
mod stop;
mod verify;
mod whoami;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use arguments::{Arguments, Command};
use failure::Failure;
use output::Output;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.output);
    match log::start().and_then(|()| run(arguments, &output)) {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.code()
        }
    }
}

fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    // The first provider stays; a second installation in one process would be a programming error without consequence.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::io("cannot start", e))?;
    let Arguments { profile, command, .. } = arguments;
    let profile = profile.as_deref();
    runtime.block_on(async {
        match command {
            Command::Init(options) => init::run(profile, options, output),
            Command::Whoami(options) => whoami::run(profile, options, output).await,
            Command::Send(options) => send::run(profile, options, output).await,
            Command::Ask(options) => ask::run(profile, options, output).await,
            Command::Listen(options) => listen::run(profile, options, output).await,
            Command::Inbox(options) => inbox::run(profile, options, output).await,
            Command::Agents(options) => agents::run(profile, options, output).await,
            Command::Rotate => rotate::run(profile, output).await,
            Command::Verify(options) => verify::run(options, output),
            Command::Doctor(options) => doctor::run(options, output).await,
            Command::Relay(options) => relay::run(options, output).await,
            Command::Dev(options) => dev::run(options, output).await,
            Command::Completions(options) => completions::run(options, &mut Arguments::command()),
        }
    })
}
