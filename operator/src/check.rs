//! `msg2agent-operator check`: whether an installation works, asked of the cluster alone. `helm test` runs it with the operator's
//! own account, so its credentials and its way to the API server are checked too.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::{Api, Client};

use crate::settings::Settings;

/// What must be served for an operator to have anything to do.
const NEEDED: [&str; 6] = ["relays", "relays/status", "tenants", "tenants/status", "agents", "agents/status"];
/// How long an operator may take to lead: a lease has to run out first when one was killed. The holder renews every 2 s.
const LIMIT: Duration = Duration::from_secs(45);
const PAUSE: Duration = Duration::from_secs(1);

/// Prints what it finds.
///
/// # Errors
/// What is missing, in one sentence.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let client = Client::try_default().await.context("find the cluster's configuration")?;
    let version = format!("{}/{}", crds::GROUP, crds::VERSION);
    let served = client.list_api_group_resources(&version).await;
    let served = served.with_context(|| {
        format!("ask the API server for {version}: are the definitions installed (chart msg2agent-crds)?")
    })?;
    let missing = missing(&served);
    ensure!(missing.is_empty(), "{version} is served without {}", missing.join(", "));
    println!("definitions: relays, tenants and agents are served as {version}");
    let holder = tokio::time::timeout(LIMIT, renewing_holder(&client, settings)).await;
    let lease = format!("Lease {}/{}", settings.namespace, settings.lease_name);
    let Ok(holder) = holder else {
        bail!(
            "nobody renewed the {lease} within {} s: see the operator's pods and their logs",
            LIMIT.as_secs()
        );
    };
    println!("leader: {} renews the {lease}", holder?);
    Ok(())
}

fn missing(served: &APIResourceList) -> Vec<&'static str> {
    let has = |needed: &str| served.resources.iter().any(|resource| resource.name == needed);
    NEEDED.into_iter().filter(|needed| !has(needed)).collect()
}

/// Who holds the Lease and was seen to renew it. Clocks are not compared.
async fn renewing_holder(client: &Client, settings: &Settings) -> anyhow::Result<String> {
    let leases = Api::<Lease>::namespaced(client.clone(), &settings.namespace);
    let mut before = None;
    loop {
        let found = leases.get_opt(&settings.lease_name).await.context("read the Lease")?;
        if let Some(holder) = renewed(before.as_ref(), found.as_ref()) {
            return Ok(holder.to_owned());
        }
        before = found;
        tokio::time::sleep(PAUSE).await;
    }
}

/// The holder, when it is the same in both looks and has written in between.
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
    fn only_a_holder_that_was_seen_to_write_leads() {
        let one = lease("one", "1");
        assert_eq!(renewed(None, Some(&one)), None, "it may be dead");
        assert_eq!(renewed(Some(&one), Some(&one)), None);
        assert_eq!(renewed(Some(&one), Some(&lease("two", "2"))), None);
        assert_eq!(renewed(Some(&lease("", "1")), Some(&lease("", "2"))), None);
        assert_eq!(renewed(Some(&one), Some(&lease("one", "2"))), Some("one"));
        assert_eq!(renewed(Some(&one), None), None);
    }

    #[test]
    fn what_is_not_served_is_named() {
        let resource = |name: &&str| serde_json::json!({"name": name, "kind": "", "namespaced": true, "singularName": "", "verbs": []});
        let served: Vec<_> = NEEDED.iter().filter(|name| !name.starts_with("agents")).map(resource).collect();
        let served =
            serde_json::from_value(serde_json::json!({"groupVersion": "", "resources": served})).unwrap();
        assert_eq!(missing(&served), ["agents", "agents/status"]);
    }
}
