//! `m2a relay agents mcp`: sets an agent's MCP endpoint and the people who may sign in for it.

use clap::Args;
use protocol::admin::{Applied, McpSpec, mcp_path};
use protocol::did::{AgentName, TenantId};

use super::admin_client::AdminClient;
use super::write_report;
use crate::failure::Failure;
use crate::output::Output;

#[derive(Args)]
pub(super) struct McpArgs {
    tenant: TenantId,
    name: AgentName,
    /// The endpoint's URL, exactly as people enter it in their clients.
    #[arg(long)]
    url: Option<String>,
    /// A person who may sign in: a verified e-mail address, or a subject of the relay's OpenID
    /// provider. Repeat the option for each person. Everybody else loses access.
    #[arg(long = "account", value_name = "ACCOUNT", requires = "url")]
    accounts: Vec<String>,
    /// The URL at which the relay's MCP gateway reaches the endpoint. Without it, the gateway does
    /// not serve the agent.
    #[arg(long, value_name = "URL", requires = "url")]
    endpoint: Option<String>,
    /// Remove the endpoint, and revoke all access to it.
    #[arg(long, conflicts_with = "url")]
    remove: bool,
}

/// Without args it shows what is set.
pub(super) async fn run(client: &AdminClient, args: McpArgs, output: &Output) -> Result<(), Failure> {
    let McpArgs { tenant, name, url, accounts, endpoint, remove } = args;
    let path = mcp_path(&tenant, &name);
    if remove {
        let applied: Applied = client.delete(&path).await?;
        let done = format!("removed the MCP endpoint of agent {tenant}/{name}");
        let missing = format!("the agent {tenant}/{name} has no MCP endpoint");
        return write_report::removed(&applied, &done, &missing, output);
    }
    let Some(url) = url else {
        let spec: McpSpec = client.get(&path).await?;
        let gateway = spec.endpoint.as_deref().unwrap_or("does not serve it");
        let accounts = spec.accounts.join(" ");
        output.result(&spec, format_args!("{}\naccounts  {accounts}\ngateway   {gateway}", spec.url));
        return Ok(());
    };
    let applied: Applied = client.put(&path, &McpSpec { url, accounts, endpoint }).await?;
    let already = format!("the MCP endpoint of agent {tenant}/{name} is set already");
    write_report::set(&applied, &format!("set the MCP endpoint of agent {tenant}/{name}"), &already, output);
    Ok(())
}
