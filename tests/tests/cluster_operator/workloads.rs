//! Tests the workloads of a Relay: a mistake that is put right heals, volumes grow, and the parts
//! of the pod that the author sets arrive.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use crds::Relay;
use devtools::eventually::eventually;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams},
};
use msg2agent_tests::{
    custom_resources::{READY_TIMEOUT, RELAY, ready_agent},
    installed_operator::in_installed,
    namespace::TestNamespace,
};
use serde_json::{Value, json};

const CHANGE_TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_wrong_image_that_is_put_right_heals_by_itself() {
    in_installed("wrong-image", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        change(&namespace, json!({"image": {"tag": "nope"}})).await?;
        eventually("the pod with the wrong image is there", READY_TIMEOUT, async || {
            let image = image(&pod(&namespace).await?);
            ensure!(image.ends_with(":nope"), "{image}");
            Ok(())
        })
        .await?;
        eventually("the Relay is not available", READY_TIMEOUT, async || {
            ensure!(!holds(&namespace, "Available").await?, "it is");
            Ok(())
        })
        .await?;
        change(&namespace, json!({"image": null})).await?;
        eventually("the Relay is Ready again", READY_TIMEOUT, async || {
            ensure!(holds(&namespace, "Ready").await?, "{}", image(&pod(&namespace).await?));
            ensure!(!image(&pod(&namespace).await?).ends_with(":nope"), "the wrong image serves");
            Ok(())
        })
        .await
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_volume_grows_with_its_relay_and_the_pod_stays() {
    in_installed("volume-grows", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        let before = pod(&namespace).await?;
        ensure!(claimed(&namespace).await? == "1Gi");
        let embedded = json!({"volume": {"size": "2Gi"}});
        change(&namespace, json!({"store": {"type": "Embedded", "embedded": embedded}})).await?;
        eventually("the claim has the new size", CHANGE_TIMEOUT, async || {
            let size = claimed(&namespace).await?;
            ensure!(size == "2Gi", "{size}");
            Ok(())
        })
        .await?;
        ensure!(pod(&namespace).await?.uid() == before.uid(), "the pod was replaced");
        ensure!(holds(&namespace, "Ready").await?, "the Relay is not Ready");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_the_author_sets_is_in_the_pod() {
    in_installed("pod-template", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        let template = json!({
            "metadata": {"labels": {"team": "platform"}},
            "container": {"env": [{"name": "NO_PROXY", "value": ".svc"}]},
        });
        change(&namespace, json!({"template": template})).await?;
        eventually("a pod with the label and the variable", READY_TIMEOUT, async || {
            let pod = pod(&namespace).await?;
            ensure!(pod.labels().get("team").is_some_and(|team| team == "platform"), "{:?}", pod.labels());
            let container = pod.spec.context("read the pod")?.containers.swap_remove(0);
            ensure!(container.env.iter().flatten().any(|variable| variable.name == "NO_PROXY"));
            Ok(())
        })
        .await
    })
    .await
    .unwrap();
}

async fn change(namespace: &TestNamespace, spec: Value) -> anyhow::Result<()> {
    let change = Patch::Merge(json!({"spec": spec}));
    namespace.api::<Relay>().patch(RELAY, &PatchParams::default(), &change).await?;
    Ok(())
}

async fn holds(namespace: &TestNamespace, about: &str) -> anyhow::Result<bool> {
    let conditions = namespace.api::<Relay>().get(RELAY).await?.status.unwrap_or_default().conditions;
    Ok(conditions.iter().any(|condition| condition.type_ == about && condition.status == "True"))
}

async fn pod(namespace: &TestNamespace) -> anyhow::Result<Pod> {
    Ok(namespace.api::<Pod>().get(&format!("{RELAY}-0")).await?)
}

fn image(pod: &Pod) -> String {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers.filter_map(|container| container.image.clone()).collect()
}

/// The size that the relay's claim requests.
async fn claimed(namespace: &TestNamespace) -> anyhow::Result<String> {
    let claim = namespace.api::<PersistentVolumeClaim>().get(&format!("data-{RELAY}-0")).await?;
    let requests = claim.spec.and_then(|spec| spec.resources?.requests).context("read the claim")?;
    Ok(requests.get("storage").context("read the size")?.0.clone())
}
