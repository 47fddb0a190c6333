//! Tests the settings file of a relay: an edit by somebody else is reverted, and a change of the
//! Relay restarts the pod.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use crds::{Relay, name};
use devtools::eventually::eventually;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams},
};
use msg2agent_tests::{
    custom_resources::{READY_TIMEOUT, RELAY, ready_agent},
    installed_operator::in_installed,
    namespace::TestNamespace,
};
use serde_json::json;

const REPAIR_TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_edited_settings_file_is_written_back_and_the_pod_stays() {
    in_installed("settings-drift", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        let (written, pod) = (file(&namespace).await?, pod(&namespace).await?);
        let edit = Patch::Merge(json!({"data": {"relay.toml": "domain = \"mine.example.com\""}}));
        let edited = namespace.api::<ConfigMap>().patch(&settings(), &PatchParams::default(), &edit).await?;
        eventually("the settings file is written back", REPAIR_TIMEOUT, async || {
            ensure!(file(&namespace).await? == written, "it is not");
            let now = namespace.api::<ConfigMap>().get(&settings()).await?;
            ensure!(now.resource_version() != edited.resource_version(), "the edit changed nothing");
            Ok(())
        })
        .await?;
        ensure!(self::pod(&namespace).await?.uid() == pod.uid(), "the pod was replaced");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_changed_setting_comes_with_a_new_pod() {
    in_installed("settings-change", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        let before = pod(&namespace).await?;
        let change = Patch::Merge(json!({"spec": {"logFilter": "debug"}}));
        namespace.api::<Relay>().patch(RELAY, &PatchParams::default(), &change).await?;
        eventually("a new pod serves", READY_TIMEOUT, async || {
            let now = pod(&namespace).await?;
            ensure!(now.uid() != before.uid(), "the old one is still there");
            let log = namespace.api::<Pod>().logs(&now.name_any(), &kube::api::LogParams::default()).await?;
            ensure!(log.contains("\"level\":\"DEBUG\""), "{log}");
            Ok(())
        })
        .await?;
        ensure!(file(&namespace).await?.contains("log_filter = \"debug\""));
        Ok(())
    })
    .await
    .unwrap();
}

fn settings() -> String {
    name::relay_settings(RELAY)
}

async fn file(namespace: &TestNamespace) -> anyhow::Result<String> {
    let map = namespace.api::<ConfigMap>().get(&settings()).await?;
    map.data.and_then(|mut data| data.remove("relay.toml")).context("find relay.toml")
}

async fn pod(namespace: &TestNamespace) -> anyhow::Result<Pod> {
    Ok(namespace.api::<Pod>().get(&format!("{RELAY}-0")).await?)
}
