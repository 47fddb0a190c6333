//! Prints the memory of MCP sessions on a gateway and the latency of calls, beside a bare rmcp
//! server.

use std::time::Duration;

use clap::{Parser, Subcommand};
use msg2agent_devtools::mcp_load::{self, McpLoadPlan, bare};

/// Opens sessions at a gateway and at a bare rmcp server, and calls tools in them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// MCP sessions at the gateway and at the bare server, all open at once.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    sessions: u32,
    /// Agents behind the gateway; each endpoint keeps at most 256 sessions.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    agents: u32,
    /// Calls under way at a time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    in_flight: u32,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Seconds of each round.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
}

#[derive(Subcommand)]
enum Command {
    /// Serve as the bare server until killed.
    #[command(hide = true)]
    Bare { port: u16 },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Command::Bare { port }) = arguments.command {
        return bare::serve(port).await;
    }
    msg2agent_devtools::install_tls_provider();
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let plan = McpLoadPlan {
        sessions: arguments.sessions.try_into()?,
        agents: arguments.agents.try_into()?,
        in_flight: arguments.in_flight.try_into()?,
        rounds: arguments.rounds,
        measured: Duration::from_secs(arguments.seconds),
    };
    print!("{}", mcp_load::run(&plan).await?);
    Ok(())
}
