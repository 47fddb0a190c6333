//! `m2a relay`: administers a relay through its admin API.
//!
//! The admin token comes from a file, because arguments are visible in the process list.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::output::Output;

pub(crate) mod admin_client;
mod agents;
mod deletion;
mod invitations;
mod key_output;
mod keys;
mod mcp;
mod secret_file;
mod tenants;
mod version;
mod write_report;

use admin_client::{AdminClient, AdminConnection};

#[derive(Args)]
pub(crate) struct RelayArgs {
    /// URL of the relay's admin listener.
    #[arg(long, env = "MSG2AGENT_ADMIN_URL", default_value = "http://127.0.0.1:8081", global = true)]
    admin_url: String,
    /// File with the admin token.
    #[arg(long, env = "MSG2AGENT_ADMIN_TOKEN_FILE", value_name = "FILE", global = true)]
    admin_token_file: Option<PathBuf>,
    /// File with the certificate authorities of the admin listener, in PEM. Without it, the public
    /// ones are trusted.
    #[arg(long, env = "MSG2AGENT_ADMIN_CA_FILE", value_name = "FILE", global = true)]
    admin_ca_file: Option<PathBuf>,
    /// Connect to this address, such as that of a forwarded port, instead of the one of the URL's
    /// host. The certificate must name the host.
    #[arg(long, env = "MSG2AGENT_ADMIN_CONNECT", value_name = "ADDRESS:PORT", global = true)]
    admin_connect: Option<SocketAddr>,
    /// Take over the tenant or agent from its owner, which can then no longer change it. An object
    /// in Kubernetes that owned it reports the conflict.
    #[arg(long, global = true)]
    take_over: bool,
    #[command(subcommand)]
    command: RelayCommand,
}

#[derive(Subcommand)]
enum RelayCommand {
    /// Show the version of the enforced state, and the build of the relay.
    Version,
    /// List, show, write or delete tenants.
    #[command(subcommand)]
    Tenants(tenants::TenantsCommand),
    /// List, show, add, suspend, resume or remove agents of a tenant, and set their MCP endpoints.
    #[command(subcommand)]
    Agents(agents::AgentsCommand),
    /// List, add or revoke API keys of a tenant.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// List, create or remove invitations to use an agent over MCP.
    #[command(subcommand)]
    Invitations(invitations::InvitationsCommand),
}

pub(crate) async fn run(args: RelayArgs, output: &Output) -> Result<ExitCode, Failure> {
    let file = args.admin_token_file.ok_or_else(|| {
        Failure::usage(
            "the admin token is missing",
            "give its file with --admin-token-file (a relay that you start yourself writes it to its data folder)",
        )
    })?;
    let connection = AdminConnection {
        url: args.admin_url,
        token_file: file,
        ca_file: args.admin_ca_file,
        connect: args.admin_connect,
    };
    let client = AdminClient::new(&connection, args.take_over)?;
    match args.command {
        RelayCommand::Version => version::run(&client, output).await?,
        RelayCommand::Tenants(command) => tenants::run(&client, command, output).await?,
        RelayCommand::Agents(command) => agents::run(&client, command, output).await?,
        RelayCommand::Keys(command) => keys::run(&client, command, output).await?,
        RelayCommand::Invitations(command) => invitations::run(&client, command, output).await?,
    }
    Ok(ExitCode::SUCCESS)
}
