//! `m2a relay keys`: keys of a tenant, which open any of its agents.

use clap::Subcommand;
use protocol::admin::{Applied, KeySpec, KeyView, tenant_path};
use protocol::api_key::{ApiKey, KeyId};
use protocol::did::TenantId;

use super::client::AdminClient;
use super::key_out::KeyOut;
use crate::failure::Failure;
use crate::output::Output;
use crate::printed::time;

#[derive(Subcommand)]
pub(super) enum Command {
    List {
        tenant: TenantId,
    },
    /// Make a new API key. It opens every agent of the tenant, and pins the root key of a new one.
    Add {
        tenant: TenantId,
        /// When the key expires, in seconds since the epoch.
        #[arg(long, value_name = "SECONDS")]
        not_after: Option<u64>,
        #[command(flatten)]
        out: KeyOut,
    },
    /// Refuse a key from now on; connections that use it are closed.
    Revoke {
        tenant: TenantId,
        key_id: KeyId,
    },
}

pub(super) async fn run(client: &AdminClient, command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { tenant } => {
            for view in client.list::<KeyView>(&format!("{}/keys", tenant_path(&tenant))).await? {
                let until = view.not_after.map_or_else(String::new, |at| format!("  until {}", time(at)));
                output.result(&view, format_args!("{}{until}", view.key_id));
            }
        }
        Command::Add { tenant, not_after, out } => {
            let key = ApiKey::generate(&mut rand::rng());
            out.keep(&key)?;
            let spec = KeySpec { sha256: key.hash(), not_after };
            let applied: Applied = client.put(&key_path(&tenant, &key.hash().key_id()), &spec).await?;
            out.show(&format!("a key of tenant {tenant} is enforced"), &key, applied.version, output);
        }
        Command::Revoke { tenant, key_id } => {
            let applied: Applied = client.delete(&key_path(&tenant, &key_id)).await?;
            output.result(&applied, format_args!("key {key_id} is refused, version {}", applied.version));
        }
    }
    Ok(())
}

fn key_path(tenant: &TenantId, key: &KeyId) -> String {
    format!("{}/keys/{key}", tenant_path(tenant))
}
