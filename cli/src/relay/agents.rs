//! `m2a relay agents`.

use clap::Subcommand;
use protocol::admin::{
    AgentKey, AgentSpec, AgentView, Applied, Suspension, agent_path, suspension_path, tenant_path,
};
use protocol::api_key::ApiKey;
use protocol::did::{AgentName, TenantId};

use super::client::AdminClient;
use super::key_out::KeyOut;
use super::mcp;
use crate::failure::{Exit, Failure};
use crate::output::{Output, Tone};

#[derive(Subcommand)]
pub(super) enum Command {
    List {
        tenant: TenantId,
    },
    Show {
        tenant: TenantId,
        name: AgentName,
    },
    /// Make an agent with one new API key.
    Add {
        tenant: TenantId,
        name: AgentName,
        /// The root key (Multikey, see `m2a init`) that alone may register; without it, the first one to come is pinned.
        #[arg(long, value_name = "MULTIKEY")]
        root_key: Option<String>,
        /// Write an agent that exists anew: its API keys are revoked, its root key becomes the one given.
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        out: KeyOut,
    },
    /// Show or set where an agent's MCP endpoint is and who may sign in for it, or take it away.
    Mcp(mcp::Options),
    /// Shut an agent out: its connection is closed, its keys and what waits for it stay.
    Suspend {
        tenant: TenantId,
        name: AgentName,
    },
    /// Let a suspended agent in again.
    Resume {
        tenant: TenantId,
        name: AgentName,
    },
    /// Remove an agent with its keys and mailbox; senders of waiting messages are told.
    Remove {
        tenant: TenantId,
        name: AgentName,
    },
}

pub(super) async fn run(client: &AdminClient, command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { tenant } => {
            for view in client.list::<AgentView>(&format!("{}/agents", tenant_path(&tenant))).await? {
                output.result(&view, text(&view, output));
            }
        }
        Command::Show { tenant, name } => {
            let view: AgentView = client.get(&agent_path(&tenant, &name)).await?;
            output.result(&view, text(&view, output));
        }
        Command::Add { tenant, name, root_key, replace, out } => {
            let path = agent_path(&tenant, &name);
            if !replace && client.find::<AgentView>(&path).await?.is_some() {
                let attempt = format!("agent {tenant}/{name} exists already");
                return Err(Failure::new(Exit::Failed, attempt)
                    .advising("give --replace to revoke its keys and make a new one"));
            }
            let key = ApiKey::generate(&mut rand::rng());
            out.keep(&key)?;
            let keys = vec![AgentKey { sha256: key.hash(), not_after: None }];
            let applied: Applied =
                client.put(&path, &AgentSpec { root_key, keys, ..AgentSpec::default() }).await?;
            out.show(&format!("agent {tenant}/{name} is enforced"), &key, applied.version, output);
        }
        Command::Mcp(options) => mcp::run(client, options, output).await?,
        Command::Suspend { tenant, name } => suspend(client, (&tenant, &name), true, output).await?,
        Command::Resume { tenant, name } => suspend(client, (&tenant, &name), false, output).await?,
        Command::Remove { tenant, name } => {
            let applied: Applied = client.delete(&agent_path(&tenant, &name)).await?;
            output
                .result(&applied, format_args!("agent {tenant}/{name} is gone, version {}", applied.version));
        }
    }
    Ok(())
}

async fn suspend(
    client: &AdminClient,
    (tenant, name): (&TenantId, &AgentName),
    suspended: bool,
    output: &Output,
) -> Result<(), Failure> {
    let applied: Applied = client.put(&suspension_path(tenant, name), &Suspension { suspended }).await?;
    let state = if suspended { "suspended" } else { "let in again" };
    output.result(&applied, format_args!("agent {tenant}/{name} is {state}, version {}", applied.version));
    Ok(())
}

fn text(view: &AgentView, output: &Output) -> String {
    let AgentView { did, root_key, suspended, keys, registered, online, pending, .. } = view;
    let state = match (suspended, online, registered) {
        (true, ..) => output.paint(Tone::Bad, "suspended "),
        (_, true, _) => output.paint(Tone::Good, "online    "),
        (.., true) => output.paint(Tone::Quiet, "offline   "),
        (.., false) => output.paint(Tone::Quiet, "never seen"),
    };
    let keys: Vec<_> = keys.iter().map(|key| key.key_id.as_str()).collect();
    let root = root_key.as_deref().unwrap_or("(not pinned yet)");
    format!("{state} {did}\n           waiting {pending}, keys {}, root key {root}", keys.join(" "))
}
