//! `m2a relay invitations`: lets people use an agent over MCP without an account of an OpenID
//! provider.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use protocol::admin::{
    Applied, Invitation, InvitationSpec, InvitationView, MAX_INVITATION_TTL_SECONDS, invitation_path,
    invitations_path,
};
use protocol::did::{AgentName, TenantId};
use serde::Serialize;

use super::admin_client::AdminClient;
use super::secret_file::SecretFile;
use super::write_report;
use crate::failure::Failure;
use crate::message_view::format_time;
use crate::output::{Output, Tone};

#[derive(Subcommand)]
pub(super) enum InvitationsCommand {
    /// List the invitations of a tenant.
    List { tenant: TenantId },
    /// Create an invitation: a code that one person enters once in the relay's sign-in page.
    Create {
        tenant: TenantId,
        /// The agent that the person may use over MCP.
        agent: AgentName,
        /// How long the code is valid [default: a week].
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=MAX_INVITATION_TTL_SECONDS))]
        expires_in: Option<u64>,
        /// Write the code to this new file (mode 0600) instead of showing it once.
        #[arg(long, value_name = "FILE")]
        code_out: Option<PathBuf>,
    },
    /// Revoke an invitation, and the access of the person who used it.
    Remove { tenant: TenantId, id: String },
}

/// The output for a new invitation.
#[derive(Serialize)]
struct NewInvitationView<'a> {
    id: &'a str,
    agent: &'a AgentName,
    expires: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
}

pub(super) async fn run(
    client: &AdminClient,
    command: InvitationsCommand,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        InvitationsCommand::List { tenant } => {
            for view in client.list::<InvitationView>(&invitations_path(&tenant)).await? {
                output.result(&view, text(&view, output));
            }
        }
        InvitationsCommand::Create { tenant, agent, expires_in, code_out } => {
            let spec = InvitationSpec { agent, expires_in_seconds: expires_in };
            create(client, &tenant, &spec, code_out.as_deref(), output).await?;
        }
        InvitationsCommand::Remove { tenant, id } => {
            let applied: Applied = client.delete(&invitation_path(&tenant, &id)).await?;
            let missing = format!("the tenant {tenant} has no invitation {id}");
            write_report::removed(&applied, &format!("revoked invitation {id}"), &missing, output)?;
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
    let created: Result<Invitation, _> = client.post(&invitations_path(tenant), spec).await;
    let invitation = match (created, file) {
        (Ok(invitation), Some(file)) => {
            file.write(&invitation.code)?;
            invitation
        }
        (Err(refused), Some(file)) => {
            file.remove();
            return Err(refused);
        }
        (created, None) => created?,
    };
    show(&invitation, code_out, output);
    Ok(())
}

fn show(invitation: &Invitation, file: Option<&Path>, output: &Output) {
    let Invitation { id, code, agent, expires } = invitation;
    let what = format!("created invitation {id} for {agent}, valid until {}", format_time(*expires));
    let text = match file {
        Some(path) => format!("{what}; the code is in {}", path.display()),
        None => format!("{what}; the code is shown only now:\n{code}"),
    };
    let code = file.is_none().then_some(code.as_str());
    output.result(&NewInvitationView { id, agent, expires: *expires, code, file }, text);
}

fn text(view: &InvitationView, output: &Output) -> String {
    let InvitationView { id, agent, expires, used } = view;
    let state = if *used { output.paint(Tone::Good, "used") } else { output.paint(Tone::Quiet, "open") };
    format!("{state}  {id}  {agent}  until {}", format_time(*expires))
}
