//! The binary `msg2agent-relay`: reads its settings and runs a [`msg2agent_relay::startup::Relay`].

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use daemon::Shutdown;
use daemon::telemetry::{self, Format};
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
        .map_err(|_| anyhow!("another TLS provider is already installed"))?;
    let print = cli.print_config;
    let config = cli.load_config()?;
    if print {
        print!("{}", config.show()?);
        return Ok(());
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config))
}

async fn serve(config: Config) -> Result<()> {
    let (build, format) = (daemon::build_info!(), config.log_format);
    let _telemetry = telemetry::install(&telemetry::Settings {
        build,
        format,
        filter: config.log_filter.clone(),
        otlp_endpoint: config.otlp_endpoint.clone(),
    })?;
    for name in &config.ignored_settings {
        tracing::warn!(name, "the settings file is newer than this relay; it ignores the setting {name}");
    }
    daemon::open_files::raise_limit();
    let shutdown = Shutdown::on_signals()?;
    let relay = Relay::bind(config, build).await?;
    announce(format, &relay.announcement()?);
    relay.run(shutdown).await
}

/// Prints the text for a person, or logs it like every other line if the log is JSON.
fn announce(format: Format, text: &str) {
    match format {
        Format::Text => println!("{text}"),
        Format::Json => text.lines().for_each(|line| tracing::info!("{line}")),
    }
}
