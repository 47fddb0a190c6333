//! `m2a relay invitations`: who may use an agent over MCP without an account of a provider.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use protocol::admin::{
    Applied, Invitation, InvitationSpec, InvitationView, MAX_INVITATION_TTL_SECONDS, invitation_path,
    invitations_path,
};
use protocol::did::{AgentName, TenantId};
use serde::Serialize;

use super::client::AdminClient;
use super::secret_file::SecretFile;
use crate::failure::Failure;
use crate::output::{Output, Tone};
use crate::printed::time;

#[derive(Subcommand)]
pub(super) enum Command {
    List {
        tenant: TenantId,
    },
    /// Make an invitation: a code that one person types into the relay's sign-in page, once.
    Create {
        tenant: TenantId,
        /// The agent that its bearer may use over MCP.
        agent: AgentName,
        /// Until when it can be used [default: a week].
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=MAX_INVITATION_TTL_SECONDS))]
        expires_in: Option<u64>,
        /// Write the code into this new file (mode 0600) instead of showing it once.
        #[arg(long, value_name = "FILE")]
        code_out: Option<PathBuf>,
    },
    /// Take an invitation back, and with it the access of whoever used it.
    Remove {
        tenant: TenantId,
        id: String,
    },
}

/// What is said about a new invitation.
#[derive(Serialize)]
struct Printed<'a> {
    id: &'a str,
    agent: &'a AgentName,
    expires: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
}

pub(super) async fn run(client: &AdminClient, command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { tenant } => {
            for view in client.list::<InvitationView>(&invitations_path(&tenant)).await? {
                output.result(&view, text(&view, output));
            }
        }
        Command::Create { tenant, agent, expires_in, code_out } => {
            let spec = InvitationSpec { agent, expires_in_seconds: expires_in };
            create(client, &tenant, &spec, code_out.as_deref(), output).await?;
        }
        Command::Remove { tenant, id } => {
            let applied: Applied = client.delete(&invitation_path(&tenant, &id)).await?;
            output
                .result(&applied, format_args!("invitation {id} is taken back, version {}", applied.version));
        }
    }
    Ok(())
}

async fn create(
    client: &AdminClient,
    tenant: &TenantId,
    spec: &InvitationSpec,
    code_out: Option<&Path>,
    output: &Output,
) -> Result<(), Failure> {
    let file = code_out.map(|path| SecretFile::create(path, "the code")).transpose()?;
    let made: Result<Invitation, _> = client.post(&invitations_path(tenant), spec).await;
    let invitation = match (made, file) {
        (Ok(invitation), Some(file)) => {
            file.write(&invitation.code)?;
            invitation
        }
        (Err(refused), Some(file)) => {
            file.abandon();
            return Err(refused);
        }
        (made, None) => made?,
    };
    show(&invitation, code_out, output);
    Ok(())
}

fn show(invitation: &Invitation, file: Option<&Path>, output: &Output) {
    let Invitation { id, code, agent, expires } = invitation;
    let what = format!("invitation {id} to {agent}, until {}", time(*expires));
    let text = match file {
        Some(path) => format!("{what}; the code is in {}", path.display()),
        None => format!("{what}; shown once:\n{code}"),
    };
    let code = file.is_none().then_some(code.as_str());
    output.result(&Printed { id, agent, expires: *expires, code, file }, text);
}

fn text(view: &InvitationView, output: &Output) -> String {
    let InvitationView { id, agent, expires, used } = view;
    let state = if *used { output.paint(Tone::Good, "used") } else { output.paint(Tone::Quiet, "open") };
    format!("{state}  {id}  {agent}  until {}", time(*expires))
}
