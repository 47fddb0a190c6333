//! `m2a`, the command line of msg2agent. Under the name `kubectl-m2a` it is a plugin of kubectl.
//! Each command has a file.

mod agents;
mod anchors;
mod arguments;
mod ask;
mod certificate_file;
mod clock;
mod completions;
mod connect;
mod dev;
mod doctor;
mod failure;
mod inbox;
mod init;
mod listen;
mod logging;
mod message_content;
mod message_view;
mod output;
mod proof_file;
mod relay;
mod rotate;
mod send;
mod shutdown_signal;
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
    match logging::init().and_then(|()| run(arguments, &output)) {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.code()
        }
    }
}

fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    // It fails only if a provider is installed already, which is then used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::io("cannot start the async runtime", e))?;
    let Arguments { profile, command, .. } = arguments;
    let profile = profile.as_deref();
    runtime.block_on(async {
        match command {
            Command::Init(args) => init::run(profile, args, output),
            Command::Whoami(args) => whoami::run(profile, args, output).await,
            Command::Send(args) => send::run(profile, args, output).await,
            Command::Ask(args) => ask::run(profile, args, output).await,
            Command::Listen(args) => listen::run(profile, args, output).await,
            Command::Inbox(args) => inbox::run(profile, args, output).await,
            Command::Agents(args) => agents::run(profile, args, output).await,
            Command::Rotate => rotate::run(profile, output).await,
            Command::Verify(args) => verify::run(profile, args, output).await,
            Command::Doctor(args) => doctor::run(args, output).await,
            Command::Relay(args) => relay::run(args, output).await,
            Command::Dev(args) => dev::run(args, output).await,
            Command::Completions(args) => completions::run(args, &mut Arguments::command()),
        }
    })
}
