//! `m2a relay agents mcp`: where an agent's MCP endpoint is, and who may sign in for it.

use clap::Args;
use protocol::admin::{Applied, McpSpec, mcp_path};
use protocol::did::{AgentName, TenantId};

use super::client::AdminClient;
use crate::failure::Failure;
use crate::output::Output;

#[derive(Args)]
pub(super) struct Options {
    tenant: TenantId,
    name: AgentName,
    /// The endpoint's URL as clients are given it, letter for letter.
    #[arg(long)]
    url: Option<String>,
    /// Somebody who may sign in: a verified e-mail address, or a subject of the relay's provider. Repeat it for each; whoever is
    /// not named loses access.
    #[arg(long = "account", value_name = "ACCOUNT", requires = "url")]
    accounts: Vec<String>,
    /// Where the relay's MCP gateway reaches the endpoint; without it the gateway does not serve the agent.
    #[arg(long, value_name = "URL", requires = "url")]
    endpoint: Option<String>,
    /// Take the endpoint away: nobody can sign in for it, and what was allowed is void.
    #[arg(long, conflicts_with = "url")]
    remove: bool,
}

/// Without options it shows what is set.
pub(super) async fn run(client: &AdminClient, options: Options, output: &Output) -> Result<(), Failure> {
    let Options { tenant, name, url, accounts, endpoint, remove } = options;
    let path = mcp_path(&tenant, &name);
    if remove {
        let applied: Applied = client.delete(&path).await?;
        let text = format_args!("agent {tenant}/{name} has no MCP endpoint, version {}", applied.version);
        output.result(&applied, text);
        return Ok(());
    }
    let Some(url) = url else {
        let spec: McpSpec = client.get(&path).await?;
        let gateway = spec.endpoint.as_deref().unwrap_or("does not serve it");
        let accounts = spec.accounts.join(" ");
        output.result(&spec, format_args!("{}\naccounts  {accounts}\ngateway   {gateway}", spec.url));
        return Ok(());
    };
    let applied: Applied = client.put(&path, &McpSpec { url, accounts, endpoint }).await?;
    output.result(
        &applied,
        format_args!("agent {tenant}/{name} is reached there, version {}", applied.version),
    );
    Ok(())
}
