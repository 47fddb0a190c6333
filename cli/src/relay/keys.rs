//! `m2a relay keys`: administers a tenant's API keys, which are valid for all of its agents.

use clap::Subcommand;
use protocol::admin::{Applied, KeySpec, KeyView, tenant_path};
use protocol::api_key::{ApiKey, KeyId};
use protocol::did::TenantId;

use super::admin_client::AdminClient;
use super::key_output::KeyOutput;
use super::write_report;
use crate::failure::Failure;
use crate::message_view::format_time;
use crate::output::Output;

#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// List the API keys of a tenant.
    List { tenant: TenantId },
    /// Create an API key. It is valid for every agent of the tenant, and pins the root key of a new
    /// one.
    Add {
        tenant: TenantId,
        /// When the key expires, in seconds since the epoch.
        #[arg(long, value_name = "SECONDS")]
        not_after: Option<u64>,
        #[command(flatten)]
        out: KeyOutput,
    },
    /// Revoke a key, and close the connections that use it. A key of one agent is revoked with
    /// `agents add --replace`, or with `agents remove`.
    Revoke { tenant: TenantId, key_id: KeyId },
}

pub(super) async fn run(client: &AdminClient, command: KeysCommand, output: &Output) -> Result<(), Failure> {
    match command {
        KeysCommand::List { tenant } => {
            for view in client.list::<KeyView>(&format!("{}/keys", tenant_path(&tenant))).await? {
                let until =
                    view.not_after.map_or_else(String::new, |at| format!("  until {}", format_time(at)));
                output.result(&view, format_args!("{}{until}", view.key_id));
            }
        }
        KeysCommand::Add { tenant, not_after, out } => {
            let key = ApiKey::generate(&mut rand::rng());
            out.write_file(&key)?;
            let spec = KeySpec { sha256: key.hash(), not_after };
            let applied: Applied = client.put(&key_path(&tenant, &key.hash().key_id()), &spec).await?;
            out.show(&format!("created a key of tenant {tenant}"), &key, applied.version, output);
        }
        KeysCommand::Revoke { tenant, key_id } => {
            let applied: Applied = client.delete(&key_path(&tenant, &key_id)).await?;
            let missing = format!("the tenant {tenant} has no key {key_id} of its own");
            write_report::removed(&applied, &format!("revoked key {key_id}"), &missing, output)?;
        }
    }
    Ok(())
}

fn key_path(tenant: &TenantId, key: &KeyId) -> String {
    format!("{}/keys/{key}", tenant_path(tenant))
}
