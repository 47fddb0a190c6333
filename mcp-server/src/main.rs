//! The binary: parses the settings, installs telemetry, and runs the process of an endpoint or of a
//! gateway.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use daemon::{Shutdown, telemetry};
use msg2agent_mcp_server::endpoint::{self, settings::EndpointSettings};
use msg2agent_mcp_server::gateway::{self, settings::GatewaySettings};

#[derive(Debug, Parser)]
#[command(name = "msg2agent-mcp-server", version, args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    endpoint: EndpointSettings,
}

#[derive(Debug, Subcommand)]
enum Role {
    Gateway(GatewaySettings),
}

fn main() -> ExitCode {
    run(CommandLine::parse()).unwrap_or_else(|error| {
        eprintln!("msg2agent-mcp-server: {error:#}");
        ExitCode::FAILURE
    })
}

/// Returns an error only for failures that happen before there is a log.
fn run(line: CommandLine) -> anyhow::Result<ExitCode> {
    // Fails only if a provider is installed already, and nothing ran before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        let _telemetry = telemetry::install(&line.telemetry())?;
        daemon::open_files::raise_limit();
        let shutdown = Shutdown::on_signals().context("failed to install the signal handlers")?;
        let ended = match line.role {
            Some(Role::Gateway(settings)) => gateway::process::run(settings, shutdown).await,
            None => endpoint::process::run(line.endpoint, shutdown).await,
        };
        anyhow::Ok(match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "stopping");
                ExitCode::FAILURE
            }
        })
    });
    // A read from standard input cannot be cancelled. Everything that matters has ended by now.
    runtime.shutdown_background();
    code
}

impl CommandLine {
    fn telemetry(&self) -> telemetry::Settings {
        match &self.role {
            Some(Role::Gateway(gateway)) => gateway.logging.telemetry(),
            None => self.endpoint.logging.telemetry(),
        }
    }
}
