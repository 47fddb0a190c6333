//! Tests the annotation `msg2agent.xyz/paused`: nothing of an object that has it changes, its
//! condition says so, and everything is made up for once it is gone.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use crds::{Agent, Relay, label};
use devtools::eventually::eventually;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use msg2agent_tests::custom_resources::{READY_TIMEOUT, RELAY, becomes_ready, ready_agent, value};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::relay_answer::{ACCEPTED, SUSPENDED, answer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const CHANGE_TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn nothing_of_a_paused_agent_changes_until_the_annotation_is_gone() {
    in_installed("paused-agent", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        let secrets = namespace.api::<Secret>();
        let token = value(&secrets.get("alice-relay").await?, "token")?;
        let rotation = json!({"credentials": {"rotation": {"requestedRotation": "while-paused"}}});
        pause::<Agent>(&namespace, "alice", rotation).await?;
        secrets.delete("alice-relay", &DeleteParams::default()).await?;
        change::<Agent>(&namespace, "alice", json!({"spec": {"suspend": true}})).await?;
        left_alone::<Agent>(&namespace, "alice").await?;
        ensure!(secrets.get_opt("alice-relay").await?.is_none(), "the Secret was made again");
        ensure!(answer(&namespace, &token).await? == ACCEPTED, "the suspension was enforced");
        resume::<Agent>(&namespace, "alice").await?;
        eventually("the Secret is back with a key of a suspended agent", CHANGE_TIMEOUT, async || {
            let token = value(&secrets.get("alice-relay").await?, "token")?;
            let found = answer(&namespace, &token).await?;
            ensure!(found == SUSPENDED, "{found}");
            Ok(())
        })
        .await?;
        change::<Agent>(&namespace, "alice", json!({"spec": {"suspend": false}})).await?;
        becomes_ready(&namespace, "alice").await.map(drop)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn nothing_of_a_paused_relay_changes_and_its_agents_go_on() {
    in_installed("paused-relay", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        let workload = async || anyhow::Ok(namespace.api::<StatefulSet>().get(RELAY).await?);
        let before = workload().await?.metadata.generation;
        let template = json!({"template": {"metadata": {"labels": {"team": "platform"}}}});
        pause::<Relay>(&namespace, RELAY, template).await?;
        // An Agent of a paused Relay is served as before.
        ready_agent(&namespace, "bob", json!({})).await?;
        ensure!(workload().await?.metadata.generation == before, "its workload was changed");
        resume::<Relay>(&namespace, RELAY).await?;
        eventually("its workload has the new template", READY_TIMEOUT, async || {
            let template = workload().await?.spec.context("read the workload")?.template;
            let labels = template.metadata.and_then(|metadata| metadata.labels).unwrap_or_default();
            ensure!(labels.get("team").is_some_and(|team| team == "platform"), "{labels:?}");
            Ok(())
        })
        .await
    })
    .await
    .unwrap();
}

/// Adds the annotation, changes the spec, and waits until the operator has seen both.
async fn pause<K>(namespace: &TestNamespace, name: &str, spec: Value) -> anyhow::Result<()>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    change::<K>(namespace, name, json!({"metadata": {"annotations": {label::PAUSED: "true"}}})).await?;
    change::<K>(namespace, name, json!({"spec": spec})).await?;
    left_alone::<K>(namespace, name).await
}

async fn resume<K>(namespace: &TestNamespace, name: &str) -> anyhow::Result<()>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    change::<K>(namespace, name, json!({"metadata": {"annotations": {label::PAUSED: null}}})).await?;
    eventually("it is not paused any more", CHANGE_TIMEOUT, async || {
        let (paused, _) = conditions::<K>(namespace, name).await?;
        ensure!(paused.is_none(), "{paused:?}");
        Ok(())
    })
    .await
}

/// Waits until the condition `Paused` is about the object's current spec.
async fn left_alone<K>(namespace: &TestNamespace, name: &str) -> anyhow::Result<()>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    eventually("it says that it is paused", CHANGE_TIMEOUT, async || {
        let (paused, generation) = conditions::<K>(namespace, name).await?;
        let seen = paused.as_ref().and_then(|paused| paused.observed_generation);
        ensure!(seen.is_some() && seen == generation, "{paused:?} of generation {generation:?}");
        Ok(())
    })
    .await
}

/// The condition `Paused`, and the object's generation.
async fn conditions<K>(
    namespace: &TestNamespace,
    name: &str,
) -> anyhow::Result<(Option<crds::condition::Condition>, Option<i64>)>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let found = namespace.api::<K>().get(name).await?;
    let generation = found.meta().generation;
    let conditions = serde_json::to_value(&found)?.pointer("/status/conditions").cloned().unwrap_or_default();
    let conditions = serde_json::from_value::<Option<Vec<crds::condition::Condition>>>(conditions)?;
    let paused = conditions.unwrap_or_default().into_iter().find(|condition| condition.type_ == "Paused");
    Ok((paused, generation))
}

async fn change<K>(namespace: &TestNamespace, name: &str, change: Value) -> anyhow::Result<()>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    namespace.api::<K>().patch(name, &PatchParams::default(), &Patch::Merge(change)).await?;
    Ok(())
}
