//! The command `check`: verifies an installation. `helm test` runs it.
//!
//! It asks only the API server, with the operator's own account, and so checks its credentials and
//! its network access too.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::{Api, Client};

use crate::definitions::{self, Definitions};
use crate::installations;
use crate::observed::Observed;
use crate::settings::Settings;

/// The resources that the API server must serve.
const REQUIRED: [&str; 6] =
    ["relays", "relays/status", "tenants", "tenants/status", "agents", "agents/status"];
/// Time for an operator to renew the Lease. After one was killed, its lease has to expire first.
const LEADER_TIMEOUT: Duration = Duration::from_secs(45);
/// Interval between two reads of the Lease, shorter than the 2 s after which a holder renews it.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Checks the installation and prints the results.
///
/// # Errors
/// The first check that failed.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let client = Client::try_default().await.context("failed to find the cluster's configuration")?;
    let version = format!("{}/{}", crds::GROUP, crds::VERSION);
    let served = client.list_api_group_resources(&version).await;
    let served = served.with_context(|| {
        format!("failed to list the resources of {version}; check that the chart msg2agent-crds is installed")
    })?;
    let missing = missing(&served);
    ensure!(
        missing.is_empty(),
        "the API server does not serve {} of {version}; upgrade the chart msg2agent-crds",
        missing.join(", ")
    );
    let version_of_release = crds::SCHEMA_VERSION;
    match definitions::read(&client).await? {
        Definitions::Fit => {}
        Definitions::Missing(names) => bail!("the definitions {} do not exist", names.join(", ")),
        Definitions::Older(names) => bail!(
            "the definitions {} are older than this operator ({version_of_release}); upgrade the chart msg2agent-crds",
            names.join(", ")
        ),
        Definitions::Unreadable => bail!("the operator may not read its definitions; check its ClusterRole"),
    }
    println!(
        "definitions: the API server serves relays, tenants and agents as {version}, none older than {version_of_release}"
    );
    no_rivals(&client).await?;
    let holder = tokio::time::timeout(LEADER_TIMEOUT, renewing_holder(&client, settings)).await;
    let lease = format!("Lease {}/{}", settings.namespace, settings.lease_name);
    let Ok(holder) = holder else {
        bail!(
            "no operator renewed the {lease} within {} s; check the operator's pods and their logs",
            LEADER_TIMEOUT.as_secs()
        );
    };
    println!("leader: {} renews the {lease}", holder?);
    Ok(())
}

/// Checks that no two operators work in the same namespace.
async fn no_rivals(client: &Client) -> anyhow::Result<()> {
    let Observed::Known(all) = installations::list(client).await? else {
        println!("operators: not checked, because this operator may not list Deployments of all namespaces");
        return Ok(());
    };
    if let Some((older, younger)) = installations::rivals(&all) {
        bail!(
            "two operators, {older} and {younger}, work in the same namespaces; uninstall one of them, or give them \
             different watchNamespaces"
        );
    }
    println!("operators: no two work in the same namespaces");
    Ok(())
}

fn missing(served: &APIResourceList) -> Vec<&'static str> {
    let is_served = |name: &str| served.resources.iter().any(|resource| resource.name == name);
    REQUIRED.into_iter().filter(|name| !is_served(name)).collect()
}

/// Waits for the holder of the Lease to renew it. Clocks are not compared.
async fn renewing_holder(client: &Client, settings: &Settings) -> anyhow::Result<String> {
    let leases = Api::<Lease>::namespaced(client.clone(), &settings.namespace);
    let mut before = None;
    loop {
        let found = leases.get_opt(&settings.lease_name).await.context("failed to read the Lease")?;
        if let Some(holder) = renewed(before.as_ref(), found.as_ref()) {
            return Ok(holder.to_owned());
        }
        before = found;
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The holder, if it is the same in both records and has written the Lease in between.
fn renewed<'a>(before: Option<&Lease>, now: Option<&'a Lease>) -> Option<&'a str> {
    let holder =
        |lease: &'a Lease| lease.spec.as_ref()?.holder_identity.as_deref().filter(|it| !it.is_empty());
    let (before, now) = (before?, now?);
    let same_holder = before.spec.as_ref()?.holder_identity == now.spec.as_ref()?.holder_identity;
    let has_written = before.metadata.resource_version != now.metadata.resource_version;
    holder(now).filter(|_| same_holder && has_written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, version: &str) -> Lease {
        serde_json::from_value(serde_json::json!({
            "metadata": {"resourceVersion": version}, "spec": {"holderIdentity": holder},
        }))
        .unwrap()
    }

    #[test]
    fn only_a_holder_that_renews_the_lease_leads() {
        let one = lease("one", "1");
        assert_eq!(renewed(None, Some(&one)), None, "it may have stopped");
        assert_eq!(renewed(Some(&one), Some(&one)), None);
        assert_eq!(renewed(Some(&one), Some(&lease("two", "2"))), None);
        assert_eq!(renewed(Some(&lease("", "1")), Some(&lease("", "2"))), None);
        assert_eq!(renewed(Some(&one), Some(&lease("one", "2"))), Some("one"));
        assert_eq!(renewed(Some(&one), None), None);
    }

    #[test]
    fn resources_that_are_not_served_are_named() {
        let resource = |name: &&str| serde_json::json!({"name": name, "kind": "", "namespaced": true, "singularName": "", "verbs": []});
        let served: Vec<_> =
            REQUIRED.iter().filter(|name| !name.starts_with("agents")).map(resource).collect();
        let served =
            serde_json::from_value(serde_json::json!({"groupVersion": "", "resources": served})).unwrap();
        assert_eq!(missing(&served), ["agents", "agents/status"]);
    }
}
