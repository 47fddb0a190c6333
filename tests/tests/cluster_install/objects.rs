//! Creates and reads the objects of the lifecycle test.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use crds::Relay;
use devtools::eventually::eventually;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use crate::helm::NAMESPACE;

pub(crate) const TEAM: &str = "team";

/// A relay from nothing: claim, certificate, pod, first answer.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
const DELETION_TIMEOUT: Duration = Duration::from_secs(60);

/// Namespaces under the restricted profile: a pod of ours that is not restricted does not start.
pub(crate) async fn make_namespaces(client: &Client) -> anyhow::Result<()> {
    for name in [NAMESPACE, TEAM] {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": name, "labels": { "pod-security.kubernetes.io/enforce": "restricted" } },
        });
        Api::<Namespace>::all(client.clone()).patch(name, &params(), &Patch::Apply(namespace)).await?;
    }
    Ok(())
}

pub(crate) async fn apply_relay(client: &Client) -> anyhow::Result<()> {
    let relay = json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Relay",
        "metadata": { "name": "main" },
        "spec": { "domain": "agents.example.com" },
    });
    Api::<Relay>::namespaced(client.clone(), TEAM).patch("main", &params(), &Patch::Apply(relay)).await?;
    Ok(())
}

fn params() -> PatchParams {
    PatchParams::apply("install-test").force()
}

/// Waits until the Relay is Ready for its present generation and answers the uid of its pod.
pub(crate) async fn ready_relay(client: &Client) -> anyhow::Result<String> {
    let relays = Api::<Relay>::namespaced(client.clone(), TEAM);
    eventually("the Relay is Ready", READY_TIMEOUT, async || {
        let relay = relays.get("main").await?;
        let status = relay.status.clone().unwrap_or_default();
        let ready = status.conditions.iter().any(|c| {
            c.type_ == "Ready" && c.status == "True" && c.observed_generation == relay.metadata.generation
        });
        ensure!(ready, "{:?}", status.conditions);
        relay_pod(client).await
    })
    .await
}

/// The uid of the relay's one pod.
pub(crate) async fn relay_pod(client: &Client) -> anyhow::Result<String> {
    let selector = ListParams::default().labels("msg2agent.xyz/relay=main");
    let pods = Api::<Pod>::namespaced(client.clone(), TEAM).list(&selector).await?.items;
    let [pod] = pods.as_slice() else { anyhow::bail!("{} relay pods", pods.len()) };
    ensure!(pod.metadata.deletion_timestamp.is_none(), "the pod is going");
    pod.uid().context("a pod has a uid")
}

/// Deletes the Relay and waits until the operator let it go.
pub(crate) async fn delete_relay(client: &Client) -> anyhow::Result<()> {
    let relays = Api::<Relay>::namespaced(client.clone(), TEAM);
    relays.delete("main", &DeleteParams::default()).await?;
    eventually("the Relay is gone", DELETION_TIMEOUT, async || {
        ensure!(relays.get_opt("main").await?.is_none(), "it is still there");
        Ok(())
    })
    .await
}

/// One of the two replicas holds the Lease.
pub(crate) async fn one_replica_leads(client: &Client) -> anyhow::Result<()> {
    let deployment =
        Api::<Deployment>::namespaced(client.clone(), NAMESPACE).get("msg2agent-operator").await?;
    let available = deployment.status.and_then(|status| status.available_replicas);
    ensure!(available == Some(2), "{available:?} of 2 replicas are available");
    let leases = Api::<Lease>::namespaced(client.clone(), NAMESPACE);
    eventually("a replica holds the Lease", DELETION_TIMEOUT, async || {
        let lease = leases.get("msg2agent-operator").await?;
        let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        ensure!(holder.starts_with("msg2agent-operator-"), "the holder is {holder:?}");
        Ok(())
    })
    .await
}

/// The metrics through the API server's proxy: Service, port and listener fit each other.
pub(crate) async fn metrics(client: &Client) -> anyhow::Result<String> {
    let path =
        format!("/api/v1/namespaces/{NAMESPACE}/services/msg2agent-operator-metrics:metrics/proxy/metrics");
    let request = http::Request::get(path).body(Vec::new())?;
    client.request_text(request).await.context("read the operator's metrics")
}

pub(crate) async fn definitions(client: &Client) -> anyhow::Result<usize> {
    let all = Api::<CustomResourceDefinition>::all(client.clone()).list(&ListParams::default()).await?;
    Ok(all.items.iter().filter(|crd| crd.spec.group == crds::GROUP).count())
}

pub(crate) async fn operator_is_gone(client: &Client) -> anyhow::Result<()> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), NAMESPACE);
    ensure!(deployments.get_opt("msg2agent-operator").await?.is_none(), "the Deployment is still there");
    Ok(())
}

/// The Relay that was left behind can be deleted without an operator.
pub(crate) async fn relay_has_no_finalizer(client: &Client) -> anyhow::Result<()> {
    let relay = Api::<Relay>::namespaced(client.clone(), TEAM).get("main").await?;
    ensure!(relay.finalizers().is_empty(), "{:?}", relay.finalizers());
    Ok(())
}
