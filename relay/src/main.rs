//! `msg2agent-relay`: reads its settings and runs a [`msg2agent_relay::startup::Relay`].

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use daemon::{Shutdown, telemetry};
use msg2agent_relay::cli::Cli;
use msg2agent_relay::config::Config;
use msg2agent_relay::startup::Relay;

fn main() -> ExitCode {
    let cli = match Cli::parse_from_args(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("msg2agent-relay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow!("another TLS provider is installed"))?;
    let print = cli.print_config;
    let config = cli.load_config()?;
    if print {
        print!("{}", config.show()?);
        return Ok(());
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config))
}

async fn serve(config: Config) -> Result<()> {
    let build = daemon::build_info!();
    let _telemetry = telemetry::install(&telemetry::Settings {
        build,
        format: config.log_format,
        filter: config.log_filter.clone(),
        otlp_endpoint: config.otlp_endpoint.clone(),
    })?;
    let shutdown = Shutdown::on_signals()?;
    let relay = Relay::bind(config, build).await?;
    println!("{}", relay.announcement()?);
    relay.run(shutdown).await
}
