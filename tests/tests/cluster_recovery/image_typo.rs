//! Tests that a wrong image tag or another wrong setting of a pod, once it is put right, heals by
//! itself.

use anyhow::{Context as _, ensure};
use crds::{Agent, Relay};
use devtools::eventually::eventually;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use msg2agent_tests::custom_resources::{READY_TIMEOUT, RELAY, becomes_ready, ready_agent};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::operator_replicas::undisturbed;
use msg2agent_tests::relay_answer::ACCEPTED;
use serde_json::{Value, json};

use crate::agent_state::{answered, condition, token};

#[tokio::test]
async fn a_typo_in_the_image_tag_that_is_put_right_heals() {
    let _undisturbed = undisturbed().await;
    in_installed("image-typo", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        let image = |tag: Value| Patch::Merge(json!({"spec": {"image": {"tag": tag}}}));
        let relays = namespace.api::<Relay>();
        relays.patch(RELAY, &PatchParams::default(), &image("nope".into())).await?;
        eventually("the pod waits for an image that is not there", READY_TIMEOUT, async || {
            let waits = waiting(&namespace).await?;
            ensure!(["ImagePullBackOff", "ErrImagePull"].contains(&waits.as_str()), "it is {waits:?}");
            Ok(())
        })
        .await?;
        relays.patch(RELAY, &PatchParams::default(), &Patch::Merge(json!({"spec": {"image": null}}))).await?;
        condition::<Relay>(&namespace, RELAY, ("Ready", "True", "Ready")).await?;
        becomes_ready(&namespace, "alice").await?;
        answered(&namespace, &token(&namespace, "alice").await?, ACCEPTED, READY_TIMEOUT).await
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_typo_in_the_template_of_an_endpoint_that_is_put_right_heals() {
    let _undisturbed = undisturbed().await;
    in_installed("endpoint-typo", async |namespace| {
        ready_agent(&namespace, "alice", json!({"mcp": {"enabled": true}})).await?;
        let selector = |nodes: Value| {
            Patch::Merge(json!({"spec": {"mcp": {"template": {"spec": {"nodeSelector": nodes}}}}}))
        };
        let agents = namespace.api::<Agent>();
        let typo = selector(json!({"kubernetes.io/so": "linux"}));
        agents.patch("alice", &PatchParams::default(), &typo).await?;
        eventually("the endpoint's pod waits for a node that is not there", READY_TIMEOUT, async || {
            let pod = namespace.api::<Pod>().get("alice-mcp-0").await?;
            let conditions = pod.status.and_then(|status| status.conditions).unwrap_or_default();
            let waits = conditions.iter().any(|found| found.reason.as_deref() == Some("Unschedulable"));
            ensure!(waits, "{conditions:?}");
            Ok(())
        })
        .await?;
        condition::<Agent>(&namespace, "alice", ("McpReady", "False", "WorkloadUnavailable")).await?;
        answered(&namespace, &token(&namespace, "alice").await?, ACCEPTED, READY_TIMEOUT).await?;
        agents.patch("alice", &PatchParams::default(), &selector(Value::Null)).await?;
        condition::<Agent>(&namespace, "alice", ("McpReady", "True", "WorkloadAvailable")).await?;
        becomes_ready(&namespace, "alice").await.map(drop)
    })
    .await
    .unwrap();
}

/// Why the relay's container waits; empty when it does not.
async fn waiting(namespace: &TestNamespace) -> anyhow::Result<String> {
    let pod = namespace.api::<Pod>().get(&format!("{RELAY}-0")).await?;
    let status = pod.status.context("a pod without status")?;
    let states = status.container_statuses.unwrap_or_default().into_iter().filter_map(|status| status.state);
    Ok(states.filter_map(|state| state.waiting?.reason).collect())
}
