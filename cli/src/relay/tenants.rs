//! `m2a relay tenants`: administers tenants.

use clap::Subcommand;
use protocol::admin::{Applied, TenantSpec, TenantView, tenant_path};
use protocol::did::TenantId;

use super::admin_client::AdminClient;
use super::deletion::DeletionArgs;
use super::write_report;
use crate::failure::Failure;
use crate::output::{Output, Tone};

#[derive(Subcommand)]
pub(super) enum TenantsCommand {
    /// List all tenants.
    List,
    /// Show one tenant.
    Show { tenant: TenantId },
    /// Create a tenant, or change the given properties of an existing one.
    Put {
        tenant: TenantId,
        /// The name to show to people.
        #[arg(long)]
        display_name: Option<String>,
        /// The most agents that may exist at once.
        #[arg(long, value_name = "AGENTS")]
        agents_max: Option<u32>,
        /// Refuse all agents of the tenant until --resume.
        #[arg(long, conflicts_with = "resume")]
        suspend: bool,
        /// Accept the agents of a suspended tenant again.
        #[arg(long)]
        resume: bool,
    },
    /// Delete a tenant with its agents, keys and mailboxes.
    Delete {
        tenant: TenantId,
        #[command(flatten)]
        deletion: DeletionArgs,
    },
}

pub(super) async fn run(
    client: &AdminClient,
    command: TenantsCommand,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        TenantsCommand::List => {
            for view in client.list::<TenantView>("/admin/v1/tenants").await? {
                output.result(&view, text(&view, output));
            }
        }
        TenantsCommand::Show { tenant } => {
            let view: TenantView = client.get(&tenant_path(&tenant)).await?;
            output.result(&view, text(&view, output));
        }
        TenantsCommand::Put { tenant, display_name, agents_max, suspend, resume } => {
            let path = tenant_path(&tenant);
            let mut spec = client.find::<TenantView>(&path).await?.map(|view| view.spec).unwrap_or_default();
            change(&mut spec, display_name, agents_max, (suspend, resume));
            let applied: Applied = client.put(&path, &spec).await?;
            let already = format!("tenant {tenant} has these properties already");
            write_report::set(&applied, &format!("wrote tenant {tenant}"), &already, output);
        }
        TenantsCommand::Delete { tenant, deletion } => {
            let applied: Applied = client.delete(&deletion.path(&tenant_path(&tenant))).await?;
            let (done, missing) =
                (format!("deleted tenant {tenant}"), format!("the relay has no tenant {tenant}"));
            write_report::removed(&applied, &done, &missing, output)?;
        }
    }
    Ok(())
}

/// Keeps every property that is not given.
fn change(
    spec: &mut TenantSpec,
    name: Option<String>,
    agents_max: Option<u32>,
    (suspend, resume): (bool, bool),
) {
    if let Some(name) = name {
        spec.display_name = name;
    }
    spec.agents_max = agents_max.or(spec.agents_max);
    spec.suspended = suspend || (spec.suspended && !resume);
}

fn text(view: &TenantView, output: &Output) -> String {
    let TenantView { tenant, spec, agents, owner, .. } = view;
    let limit = spec.agents_max.map_or_else(String::new, |max| format!(" of {max}"));
    let state = if spec.suspended { output.paint(Tone::Bad, " suspended") } else { String::new() };
    let owner = owner.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string);
    format!("{tenant}{state}  {agents}{limit} agents  owner {owner}  {}", spec.display_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_keeps_the_properties_that_are_not_given() {
        let mut spec = TenantSpec {
            display_name: "Acme".into(),
            suspended: true,
            agents_max: Some(5),
            ..TenantSpec::default()
        };
        change(&mut spec, None, Some(9), (false, false));
        assert_eq!(
            spec,
            TenantSpec {
                display_name: "Acme".into(),
                suspended: true,
                agents_max: Some(9),
                ..TenantSpec::default()
            }
        );
        change(&mut spec, None, None, (false, true));
        assert!(!spec.suspended && spec.agents_max == Some(9));
    }
}
