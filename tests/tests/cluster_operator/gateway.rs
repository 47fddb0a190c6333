//! Tests the MCP gateway of a Relay on a real cluster: its objects when it is enabled, the revert
//! of foreign changes, and its removal when it is disabled.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use crds::{Agent, Relay, name};
use devtools::eventually::eventually;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams};
use msg2agent_tests::custom_resources::{READY_TIMEOUT, RELAY, has_condition, ready_agent, value};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::TestNamespace;
use serde_json::{Value, json};

/// A change is a pass of the operator and what the cluster makes of it.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long nothing may be written to objects that nobody touches.
const IDLE_INTERVAL: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_relay_gets_a_gateway_and_its_agents_say_where_it_is() {
    in_installed("gateway", async |namespace| {
        ready_agent(&namespace, "alice", json!({"mcp": {"enabled": true}})).await?;
        wants(&namespace, json!({"enabled": true})).await?;
        let url = name::gateway_url(RELAY, &namespace.name, "cluster.local");
        eventually("the gateway serves and the Relay says so", READY_TIMEOUT, async || {
            let status = namespace.api::<Relay>().get(RELAY).await?.status.unwrap_or_default();
            let gateway = status.gateway.context("read status.gateway")?;
            ensure!((gateway.url.as_str(), gateway.ready_replicas) == (url.as_str(), 2), "{gateway:?}");
            ensure!(
                has_condition(&status.conditions, "GatewayReady", "True", "WorkloadAvailable"),
                "{:?}",
                status.conditions
            );
            ensure!(has_condition(&status.conditions, "Ready", "True", "Ready"), "{:?}", status.conditions);
            Ok(())
        })
        .await?;
        eventually("Agent and Secret name both URLs", CHANGE_TIMEOUT, async || {
            let alice = namespace.api::<Agent>().get("alice").await?.status.unwrap_or_default();
            ensure!(alice.mcp_gateway_url.as_deref() == Some(&url), "{alice:?}");
            ensure!(alice.mcp_url.is_some_and(|own| own != url), "its own URL is gone");
            let secret = namespace.api::<Secret>().get("alice-relay").await?;
            ensure!(value(&secret, "mcp-gateway-url")? == url);
            Ok(())
        })
        .await
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_foreign_change_to_a_gateway_is_reverted() {
    in_installed("gateway-drift", async |namespace| {
        wanted(&namespace, json!({"enabled": true})).await?;
        namespace.api::<Service>().delete(&gateway(), &DeleteParams::default()).await?;
        eventually("the Service is back", CHANGE_TIMEOUT, async || {
            Ok(namespace.api::<Service>().get(&gateway()).await.map(drop)?)
        })
        .await?;
        let edit = json!({"spec": {"replicas": 0, "template": {"spec": {"containers": [
            {"name": "gateway", "image": "somebody.example/else:1"}]}}}});
        let deployments = namespace.api::<Deployment>();
        deployments.patch(&gateway(), &PatchParams::default(), &Patch::Strategic(edit)).await?;
        eventually("image and number of pods are back", CHANGE_TIMEOUT, async || {
            let spec = deployments.get(&gateway()).await?.spec.context("read the spec")?;
            ensure!(spec.replicas == Some(2), "{:?}", spec.replicas);
            let image = spec.template.spec.and_then(|pod| pod.containers.into_iter().next()?.image);
            ensure!(image.as_deref().is_some_and(|image| !image.starts_with("somebody")), "{image:?}");
            Ok(())
        })
        .await
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn the_number_of_pods_is_the_autoscalers_once_there_is_one() {
    in_installed("gateway-scale", async |namespace| {
        wanted(&namespace, json!({"enabled": true, "replicas": {"min": 3}})).await?;
        replicas(&namespace, 3).await?;
        let lowest = lowest_number(&namespace);
        wants(&namespace, json!({"replicas": {"min": 2, "max": 6}})).await?;
        eventually("there is an autoscaler", CHANGE_TIMEOUT, async || {
            let spec = namespace.api::<HorizontalPodAutoscaler>().get(&gateway()).await?.spec;
            let spec = spec.context("read the spec")?;
            ensure!((spec.min_replicas, spec.max_replicas) == (Some(2), 6), "{spec:?}");
            Ok(())
        })
        .await?;
        scale(&namespace, 5).await?;
        let before = written(&namespace).await?;
        tokio::time::sleep(IDLE_INTERVAL).await;
        ensure!(number(&namespace).await? == 5, "the operator took the number back");
        ensure!(written(&namespace).await? == before, "written while idle");
        let lowest = lowest.await??;
        ensure!(lowest >= 3, "the hand-over left {lowest} pods");

        wants(&namespace, json!({"replicas": {"min": 2, "max": null}})).await?;
        replicas(&namespace, 2).await?;
        gone::<HorizontalPodAutoscaler>(&namespace).await
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_disabled_gateway_is_removed_with_everything_but_its_secrets() {
    in_installed("gateway-off", async |namespace| {
        wanted(&namespace, json!({"enabled": true, "replicas": {"min": 1, "max": 2}})).await?;
        wants(&namespace, json!({"enabled": false})).await?;
        gone::<HorizontalPodAutoscaler>(&namespace).await?;
        gone::<Deployment>(&namespace).await?;
        gone::<Service>(&namespace).await?;
        gone::<PodDisruptionBudget>(&namespace).await?;
        gone::<NetworkPolicy>(&namespace).await?;
        gone::<ServiceAccount>(&namespace).await?;
        eventually("nothing refers to it", CHANGE_TIMEOUT, async || {
            let relay = namespace.api::<Relay>().get(RELAY).await?.status.unwrap_or_default();
            ensure!(
                relay.gateway.is_none() && !relay.conditions.iter().any(|c| c.type_ == "GatewayReady"),
                "{relay:?}"
            );
            let alice = namespace.api::<Agent>().get("alice").await?.status.unwrap_or_default();
            ensure!(alice.mcp_gateway_url.is_none(), "{alice:?}");
            Ok(())
        })
        .await?;
        namespace.api::<Secret>().get(&name::relay_gateway_token(RELAY)).await.map(drop)?;
        Ok(())
    })
    .await
    .unwrap();
}

fn gateway() -> String {
    name::relay_gateway(RELAY)
}

async fn wants(namespace: &TestNamespace, spec: Value) -> anyhow::Result<()> {
    let change = Patch::Merge(json!({"spec": {"gateway": spec}}));
    namespace.api::<Relay>().patch(RELAY, &PatchParams::default(), &change).await?;
    Ok(())
}

/// A Relay with an Agent and a gateway whose Deployment is there.
async fn wanted(namespace: &TestNamespace, spec: Value) -> anyhow::Result<()> {
    ready_agent(namespace, "alice", json!({})).await?;
    wants(namespace, spec).await?;
    eventually("the gateway has its Deployment", CHANGE_TIMEOUT, async || {
        Ok(namespace.api::<Deployment>().get(&gateway()).await.map(drop)?)
    })
    .await
}

async fn number(namespace: &TestNamespace) -> anyhow::Result<i32> {
    let spec = namespace.api::<Deployment>().get(&gateway()).await?.spec;
    spec.and_then(|spec| spec.replicas).context("read the number of pods")
}

async fn replicas(namespace: &TestNamespace, wanted: i32) -> anyhow::Result<()> {
    eventually(&format!("{wanted} pods are asked for"), CHANGE_TIMEOUT, async || {
        let found = number(namespace).await?;
        ensure!(found == wanted, "{found} are");
        Ok(())
    })
    .await
}

/// As the autoscaler does it.
async fn scale(namespace: &TestNamespace, replicas: i32) -> anyhow::Result<()> {
    let change = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    namespace.api::<Deployment>().patch_scale(&gateway(), &PatchParams::default(), &change).await?;
    Ok(())
}

/// The lowest number of pods that is asked for until it is five.
fn lowest_number(namespace: &TestNamespace) -> tokio::task::JoinHandle<anyhow::Result<i32>> {
    let namespace = namespace.clone();
    tokio::spawn(async move {
        let mut lowest = i32::MAX;
        loop {
            let now = number(&namespace).await?;
            lowest = lowest.min(now);
            if now == 5 {
                return Ok(lowest);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
}

/// resourceVersions of what the operator writes for a gateway. That of the autoscaler changes with
/// what it measures.
async fn written(namespace: &TestNamespace) -> anyhow::Result<Vec<Option<String>>> {
    Ok(vec![
        namespace.api::<Service>().get(&gateway()).await?.resource_version(),
        namespace
            .api::<PodDisruptionBudget>()
            .get(&gateway())
            .await?
            .metadata
            .generation
            .map(|it| it.to_string()),
        namespace.api::<Deployment>().get(&gateway()).await?.metadata.generation.map(|it| it.to_string()),
        namespace.api::<Secret>().get(&name::relay_gateway_tls(RELAY)).await?.resource_version(),
        namespace.api::<Secret>().get(&name::relay_gateway_token(RELAY)).await?.resource_version(),
    ])
}

async fn gone<K>(namespace: &TestNamespace) -> anyhow::Result<()>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    eventually(&format!("the {} is gone", K::kind(&())), CHANGE_TIMEOUT, async || {
        ensure!(namespace.api::<K>().get_opt(&gateway()).await?.is_none(), "it is still there");
        Ok(())
    })
    .await
}
