//! The binary: settings, telemetry, then the process of an endpoint or of a gateway.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use daemon::{Shutdown, telemetry};
use msg2agent_mcp_server::gateway::{self, settings::Settings as GatewaySettings};
use msg2agent_mcp_server::process;
use msg2agent_mcp_server::settings::Settings;

#[derive(Debug, Parser)]
#[command(name = "msg2agent-mcp-server", version, args_conflicts_with_subcommands = true)]
struct Line {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    endpoint: Settings,
}

#[derive(Debug, Subcommand)]
enum Role {
    Gateway(GatewaySettings),
}

fn main() -> ExitCode {
    start(Line::parse()).unwrap_or_else(|error| {
        eprintln!("msg2agent-mcp-server: {error:#}");
        ExitCode::FAILURE
    })
}

/// Errors of its own come before there is a log.
fn start(line: Line) -> anyhow::Result<ExitCode> {
    // A second provider cannot be there: nothing ran before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        let _telemetry = telemetry::install(&line.telemetry())?;
        let shutdown = Shutdown::on_signals().context("failed to install the signal handlers")?;
        let ended = match line.role {
            Some(Role::Gateway(settings)) => gateway::process::run(settings, shutdown).await,
            None => process::run(line.endpoint, shutdown).await,
        };
        anyhow::Ok(match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "stopping");
                ExitCode::FAILURE
            }
        })
    });
    // Reading standard input cannot be cancelled; everything that matters has ended by now.
    runtime.shutdown_background();
    code
}

impl Line {
    fn telemetry(&self) -> telemetry::Settings {
        let (format, filter, otlp_endpoint) = match &self.role {
            Some(Role::Gateway(it)) => (it.log_format, &it.log_filter, &it.otlp_endpoint),
            None => (self.endpoint.log_format, &self.endpoint.log_filter, &self.endpoint.otlp_endpoint),
        };
        telemetry::Settings {
            build: daemon::build_info!(),
            format,
            filter: filter.clone(),
            otlp_endpoint: otlp_endpoint.clone(),
        }
    }
}
