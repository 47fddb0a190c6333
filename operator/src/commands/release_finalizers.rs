//! The command `release-finalizers`: removes the operator's finalizers from Relays, Tenants and
//! Agents. The chart runs it after the operator was uninstalled.
//!
//! Without an operator nobody would remove them, and the deletion of these objects, or of their
//! namespaces, would never end. A relay that runs on keeps what it has; an operator that is
//! installed again brings it to the state of the objects.

use std::time::Duration;

use anyhow::{Context as _, bail};
use crds::{Agent, Relay, Tenant, label};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt as _};
use tokio::time::Instant;

use crate::apply::Child;
use crate::finalizer;
use crate::installations;
use crate::lease::LEASE_TTL;
use crate::observed::Observed;
use crate::settings::Settings;

/// Time for the operator's pods to end. It is longer than their termination grace period.
const END_TIMEOUT: Duration = Duration::from_secs(120);
/// Interval between two reads of the Lease.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long a Lease that was given back must stay without a holder: a standby that has not been
/// told to end takes it within this time.
const RELEASED_GRACE: Duration = Duration::from_secs(5);

/// Waits for the end of the operator, then removes the finalizers and prints how many.
///
/// # Errors
/// An operator still renews the Lease, or the API server refuses.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let client = Client::try_default().await.context("failed to find the cluster's configuration")?;
    wait_for_the_end(&client, settings).await?;
    if let Observed::Known(installed) = installations::list(&client).await?
        && let Some(other) = installations::in_namespaces_of(settings, &installed)
    {
        println!("the finalizers stay, because another operator ({other}) works in the same namespaces");
        return Ok(());
    }
    let removed = release::<Relay>(&client, settings, label::IN_USE).await?
        + release::<Tenant>(&client, settings, label::TEARDOWN).await?
        + release::<Agent>(&client, settings, label::REVOCATION).await?;
    println!("removed the finalizers of {removed} Relays, Tenants and Agents");
    Ok(())
}

async fn wait_for_the_end(client: &Client, settings: &Settings) -> anyhow::Result<()> {
    let leases = Api::<Lease>::namespaced(client.clone(), &settings.namespace);
    let begun = Instant::now();
    let (mut version, mut since) = (None, begun);
    loop {
        let Some(lease) = leases.get_opt(&settings.lease_name).await.context("failed to read the Lease")?
        else {
            return Ok(());
        };
        if version != lease.metadata.resource_version {
            (version, since) = (lease.metadata.resource_version.clone(), Instant::now());
        }
        if since.elapsed() >= quiet_time(&lease) {
            return Ok(());
        }
        if begun.elapsed() > END_TIMEOUT {
            bail!("an operator still renews the Lease {}/{}", settings.namespace, settings.lease_name);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// How long the Lease must stay as it is until no operator runs.
fn quiet_time(lease: &Lease) -> Duration {
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
    if holder.is_none_or(str::is_empty) { RELEASED_GRACE } else { LEASE_TTL }
}

/// Reads metadata only, so that an object that cannot be decoded is released too.
async fn release<K>(client: &Client, settings: &Settings, finalizer: &str) -> anyhow::Result<usize>
where
    K: Child,
    PartialObjectMeta<K>: Child,
{
    let mut removed = 0;
    for api in apis::<K>(client, &settings.watch_namespaces) {
        let kind = K::plural(&()).into_owned();
        let listed = api.list_metadata(&ListParams::default()).await;
        for object in listed.with_context(|| format!("failed to list {kind}"))?.items {
            if object.finalizers().iter().any(|found| found == finalizer) {
                finalizer::remove(client, &object, finalizer).await?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

fn apis<K: Child>(client: &Client, namespaces: &[String]) -> Vec<Api<K>> {
    if namespaces.is_empty() {
        return vec![Api::all(client.clone())];
    }
    namespaces.iter().map(|namespace| Api::namespaced(client.clone(), namespace)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_with_a_holder_must_expire_and_one_without_must_stay_so() {
        let lease = |holder: serde_json::Value| {
            serde_json::from_value(serde_json::json!({"spec": {"holderIdentity": holder}})).unwrap()
        };
        assert_eq!(quiet_time(&lease("one".into())), Duration::from_secs(15));
        for none in [serde_json::Value::Null, "".into()] {
            assert_eq!(quiet_time(&lease(none)), Duration::from_secs(5));
        }
    }
}
