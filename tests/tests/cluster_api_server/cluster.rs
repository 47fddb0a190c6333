//! Shows that the test cluster does what later tests rely on: it schedules, isolates, resolves and
//! stores.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use devtools::cluster::component_config::PAUSE_IMAGE;
use devtools::command::output_of;
use devtools::eventually::eventually;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, PersistentVolumeClaim, Pod, Service},
};
use kube::{Api, api::ListParams};
use msg2agent_tests::namespace::{TestNamespace, in_namespace};
use serde_json::{Value, json};

use crate::shared;

const STATE_TIMEOUT: Duration = Duration::from_secs(90);

#[tokio::test]
async fn the_cluster_has_a_ready_node() {
    let nodes = Api::<Node>::all(shared::client().await.unwrap());
    let list = nodes.list(&ListParams::default()).await.unwrap();
    let ready = list.iter().any(|node| {
        let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    });
    assert!(ready, "{list:?}");
}

#[tokio::test]
async fn a_restricted_deployment_becomes_available_and_its_service_has_a_name() {
    let client = shared::client().await.unwrap();
    in_namespace(client, "deployment", async |namespace| {
        namespace.create_object::<Deployment>(deployment(restricted())).await?;
        let service = json!({ "metadata": { "name": "idle" }, "spec": { "selector": labels(), "ports": [{ "port": 80 }] } });
        let service = namespace.create_object::<Service>(service).await?;
        available(&namespace).await?;
        let address = service.spec.and_then(|spec| spec.cluster_ip).context("read the Service's address")?;
        resolves(&format!("idle.{}.svc.cluster.local", namespace.name), &address).await
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_privileged_pod_is_refused_by_the_restricted_profile() {
    let client = shared::client().await.unwrap();
    in_namespace(client, "privileged", async |namespace| {
        let pod = json!({ "metadata": { "name": "idle" }, "spec": pod_spec(json!({ "privileged": true })) });
        let refusal = namespace.create_object::<Pod>(pod).await.err().context("the pod was accepted")?;
        let text = format!("{refusal:#}");
        ensure!(text.contains("violates PodSecurity \"restricted"), "{text}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_claim_is_bound_by_the_default_storage_class() {
    let client = shared::client().await.unwrap();
    in_namespace(client, "claim", async |namespace| {
        let claim = json!({
            "metadata": { "name": "data" },
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Mi" } } },
        });
        namespace.create_object::<PersistentVolumeClaim>(claim).await?;
        eventually("the claim is Bound", STATE_TIMEOUT, async || {
            let claim = namespace.api::<PersistentVolumeClaim>().get("data").await?;
            let phase = claim.status.and_then(|status| status.phase).unwrap_or_default();
            ensure!(phase == "Bound", "it is {phase}");
            Ok(())
        })
        .await
    })
    .await
    .unwrap();
}

async fn available(namespace: &TestNamespace) -> anyhow::Result<()> {
    eventually("the deployment is Available", STATE_TIMEOUT, async || {
        let status = namespace.api::<Deployment>().get("idle").await?.status.unwrap_or_default();
        ensure!(status.available_replicas == Some(2), "{status:?}");
        Ok(())
    })
    .await
}

/// Names are asked for inside the built-in cluster; a pod of another cluster would need an image
/// with a resolver.
async fn resolves(name: &str, address: &str) -> anyhow::Result<()> {
    let Some(cluster) = shared::built_in() else { return Ok(()) };
    eventually("the Service's name resolves", STATE_TIMEOUT, async || {
        let answer = output_of(cluster.command("getent").args(["hosts", name]))?;
        ensure!(answer.contains(address), "{answer}");
        Ok(())
    })
    .await
}

fn labels() -> Value {
    json!({ "app": "idle" })
}

fn restricted() -> Value {
    json!({ "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] } })
}

fn deployment(security: Value) -> Value {
    json!({
        "metadata": { "name": "idle" },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": labels() },
            "template": { "metadata": { "labels": labels() }, "spec": pod_spec(security) },
        },
    })
}

fn pod_spec(security: Value) -> Value {
    json!({
        "terminationGracePeriodSeconds": 1,
        "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [{
            "name": "idle",
            "image": PAUSE_IMAGE,
            "imagePullPolicy": "IfNotPresent",
            "securityContext": security,
        }],
    })
}
