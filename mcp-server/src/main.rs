//! The binary: settings, telemetry, then [`process::run`].

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use daemon::{Shutdown, telemetry};
use msg2agent_mcp_server::process;
use msg2agent_mcp_server::settings::Settings;

fn main() -> ExitCode {
    start(Settings::parse()).unwrap_or_else(|error| {
        eprintln!("msg2agent-mcp-server: {error:#}");
        ExitCode::FAILURE
    })
}

/// Errors of its own come before there is a log.
fn start(settings: Settings) -> anyhow::Result<ExitCode> {
    // A second provider cannot be there: nothing ran before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        let _telemetry = telemetry::install(&telemetry::Settings {
            build: daemon::build_info!(),
            format: settings.log_format,
            filter: settings.log_filter.clone(),
            otlp_endpoint: settings.otlp_endpoint.clone(),
        })?;
        let shutdown = Shutdown::on_signals().context("failed to install the signal handlers")?;
        anyhow::Ok(match process::run(settings, shutdown).await {
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
