//! `m2a relay`: a relay's admin API from the command line. The admin token comes from a file, never from an argument.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::output::Output;

mod agents;
pub(crate) mod client;
mod invitations;
mod key_out;
mod keys;
mod mcp;
mod secret_file;
mod tenants;
mod version;

use client::AdminClient;

#[derive(Args)]
pub(crate) struct Options {
    /// The relay's admin listener.
    #[arg(long, env = "MSG2AGENT_ADMIN_URL", default_value = "http://127.0.0.1:8081", global = true)]
    admin_url: String,
    /// File with the admin token.
    #[arg(long, env = "MSG2AGENT_ADMIN_TOKEN_FILE", value_name = "FILE", global = true)]
    admin_token_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show which state the relay enforces, and its build.
    Version,
    /// List, show, write, or delete tenants.
    #[command(subcommand)]
    Tenants(tenants::Command),
    /// List, show, add, suspend, resume, or remove the agents of a tenant, and set their MCP endpoints.
    #[command(subcommand)]
    Agents(agents::Command),
    /// List, add, or revoke the API keys of a tenant.
    #[command(subcommand)]
    Keys(keys::Command),
    /// List, create, or remove invitations to use an agent over MCP.
    #[command(subcommand)]
    Invitations(invitations::Command),
}

pub(crate) async fn run(options: Options, output: &Output) -> Result<ExitCode, Failure> {
    let file = options.admin_token_file.ok_or_else(|| {
        Failure::usage(
            "no admin token is given",
            "give --admin-token-file (a relay on a laptop writes admin-token into its data folder)",
        )
    })?;
    let client = AdminClient::new(&options.admin_url, &file)?;
    match options.command {
        Command::Version => version::run(&client, output).await?,
        Command::Tenants(command) => tenants::run(&client, command, output).await?,
        Command::Agents(command) => agents::run(&client, command, output).await?,
        Command::Keys(command) => keys::run(&client, command, output).await?,
        Command::Invitations(command) => invitations::run(&client, command, output).await?,
    }
    Ok(ExitCode::SUCCESS)
}
