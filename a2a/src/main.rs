//! The binary: parses the settings, installs telemetry, and runs the process.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use clap::Parser as _;
use daemon::{Shutdown, telemetry};
use msg2agent_a2a::card::CardPublisher;
use msg2agent_a2a::http::{self, Bindings};
use msg2agent_a2a::process;
use msg2agent_a2a::settings::Settings;

fn main() -> ExitCode {
    run(Settings::parse()).unwrap_or_else(|error| {
        eprintln!("msg2agent-a2a: {error:#}");
        ExitCode::FAILURE
    })
}

/// Returns an error only for failures that happen before there is a log.
fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    // Fails only if a provider is installed already, and nothing ran before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let _telemetry = telemetry::install(&settings.telemetry())?;
        daemon::open_files::raise_limit();
        let shutdown = Shutdown::on_signals().context("failed to install the signal handlers")?;
        let ending = shutdown.clone();
        let ended = process::run(settings, shutdown, |gateway, callers, settings, _config| {
            let cards = CardPublisher::new(&settings.public_url, None);
            let service = Arc::new(gateway);
            Ok::<Router, anyhow::Error>(http::router(Bindings { service, callers, cards, shutdown: ending }))
        });
        Ok(match ended.await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "stopping");
                ExitCode::FAILURE
            }
        })
    })
}
