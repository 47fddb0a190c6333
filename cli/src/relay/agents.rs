//! `m2a relay agents`: administers the agents of a tenant.

use clap::Subcommand;
use protocol::admin::{
    AgentKey, AgentSpec, AgentView, Applied, Suspension, agent_path, suspension_path, tenant_path,
};
use protocol::api_key::ApiKey;
use protocol::did::{AgentName, TenantId};

use super::admin_client::AdminClient;
use super::deletion::DeletionArgs;
use super::key_output::KeyOutput;
use super::mcp::{self, McpArgs};
use super::write_report;
use crate::failure::{ExitKind, Failure};
use crate::output::{Output, Tone};

#[derive(Subcommand)]
pub(super) enum AgentsCommand {
    /// List the agents of a tenant.
    List { tenant: TenantId },
    /// Show one agent.
    Show { tenant: TenantId, name: AgentName },
    /// Create an agent with a new API key.
    Add {
        tenant: TenantId,
        name: AgentName,
        /// The root key (a Multikey; see `m2a init`) with which the agent must register. Without
        /// it, the first root key that registers is pinned.
        #[arg(long, value_name = "MULTIKEY")]
        root_key: Option<String>,
        /// Replace an existing agent: revoke its API keys and set the given root key.
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        out: KeyOutput,
    },
    /// Show, set or remove an agent's MCP endpoint and the people who may sign in for it.
    Mcp(McpArgs),
    /// Suspend an agent: close its connection and refuse new ones. Its keys and mailbox stay.
    Suspend { tenant: TenantId, name: AgentName },
    /// Resume a suspended agent.
    Resume { tenant: TenantId, name: AgentName },
    /// Remove an agent with its keys and mailbox. The senders of stored messages are notified.
    Remove {
        tenant: TenantId,
        name: AgentName,
        #[command(flatten)]
        deletion: DeletionArgs,
    },
}

pub(super) async fn run(
    client: &AdminClient,
    command: AgentsCommand,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        AgentsCommand::List { tenant } => {
            for view in client.list::<AgentView>(&format!("{}/agents", tenant_path(&tenant))).await? {
                output.result(&view, text(&view, output));
            }
        }
        AgentsCommand::Show { tenant, name } => {
            let view: AgentView = client.get(&agent_path(&tenant, &name)).await?;
            output.result(&view, text(&view, output));
        }
        AgentsCommand::Add { tenant, name, root_key, replace, out } => {
            let path = agent_path(&tenant, &name);
            let exists = client.find::<AgentView>(&path).await?.is_some();
            if !replace && exists {
                let attempt = format!("the agent {tenant}/{name} already exists");
                return Err(Failure::new(ExitKind::Failed, attempt)
                    .advising("use --replace to revoke its keys and create a new one"));
            }
            let key = ApiKey::generate(&mut rand::rng());
            out.write_file(&key)?;
            let keys = vec![AgentKey { sha256: key.hash(), not_after: None }];
            let applied: Applied =
                client.put(&path, &AgentSpec { root_key, keys, ..AgentSpec::default() }).await?;
            let done = if exists { "replaced the keys of" } else { "created" };
            out.show(&format!("{done} agent {tenant}/{name}"), &key, applied.version, output);
        }
        AgentsCommand::Mcp(args) => mcp::run(client, args, output).await?,
        AgentsCommand::Suspend { tenant, name } => {
            set_suspended(client, (&tenant, &name), true, output).await?
        }
        AgentsCommand::Resume { tenant, name } => {
            set_suspended(client, (&tenant, &name), false, output).await?
        }
        AgentsCommand::Remove { tenant, name, deletion } => {
            let path = deletion.path(&agent_path(&tenant, &name));
            let applied: Applied = client.delete(&path).await?;
            let missing = format!("the tenant {tenant} has no agent {name}");
            write_report::removed(&applied, &format!("removed agent {tenant}/{name}"), &missing, output)?;
        }
    }
    Ok(())
}

async fn set_suspended(
    client: &AdminClient,
    (tenant, name): (&TenantId, &AgentName),
    suspended: bool,
    output: &Output,
) -> Result<(), Failure> {
    let applied: Applied = client.put(&suspension_path(tenant, name), &Suspension { suspended }).await?;
    let (done, already) = match suspended {
        true => ("suspended", "is suspended already"),
        false => ("resumed", "is not suspended"),
    };
    let (done, already) =
        (format!("{done} agent {tenant}/{name}"), format!("agent {tenant}/{name} {already}"));
    write_report::set(&applied, &done, &already, output);
    Ok(())
}

fn text(view: &AgentView, output: &Output) -> String {
    let AgentView { did, root_key, suspended, keys, registered, online, pending, owner, .. } = view;
    let state = match (suspended, online, registered) {
        (true, ..) => output.paint(Tone::Bad, "suspended "),
        (_, true, _) => output.paint(Tone::Good, "online    "),
        (.., true) => output.paint(Tone::Quiet, "offline   "),
        (.., false) => output.paint(Tone::Quiet, "never seen"),
    };
    let keys: Vec<_> = keys.iter().map(|key| key.key_id.as_str()).collect();
    let root = root_key.as_deref().unwrap_or("(not pinned yet)");
    let owner = owner.as_ref().map_or_else(|| "(nobody)".to_owned(), ToString::to_string);
    let keys = keys.join(" ");
    format!("{state} {did}\n           mailbox {pending}, keys {keys}, root key {root}, owner {owner}")
}
