//! Restores a whole installation to a fresh cluster, by hand and as docs/backup.md says: objects as
//! YAML without uids and status, volumes as copies of their files.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use crds::Relay;
use devtools::cluster::record::Record;
use devtools::demo;
use devtools::pod_process::PodProcess;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, PersistentVolumeClaim};
use kube::api::PostParams;
use kube::{Api, Client};
use msg2agent::Content;
use msg2agent_tests::custom_resources::{RELAY, becomes_ready, connect, ready_agent};
use msg2agent_tests::installed_operator::{cluster, in_installed};
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::operator_replicas::{undisturbed, without_operators};
use msg2agent_tests::relay_answer::ACCEPTED;
use msg2agent_tests::relay_port_forward::RelayPortForward;
use msg2agent_tests::test_cluster;
use serde_json::json;

use crate::agent_state::{CHANGE_TIMEOUT, answered, condition, identity, token};
use crate::backup::Backup;
use crate::volume_copy::{DATA, copy};

/// Name of the folder of the fresh cluster.
const CLUSTER: &str = "restored-cluster";
const STORED: &str = "stored before the backup";

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_is_restored_to_a_fresh_cluster_with_its_identities_keys_and_mail() {
    let _undisturbed = undisturbed().await;
    // The volume is made of a folder of this machine.
    if !matches!(cluster().await.unwrap().record(), Record::BuiltIn { .. }) {
        return;
    }
    in_installed("backed-up", async |namespace| {
        for agent in ["alice", "bob"] {
            ready_agent(&namespace, agent, json!({})).await?;
        }
        let relay = RelayPortForward::open(&namespace, RELAY).await?;
        let bob = connect(&namespace, &relay, "bob").await?;
        let did = bob.did().clone();
        bob.close().await;
        connect(&namespace, &relay, "alice").await?.send(&did, Content::text(STORED)).await?;
        let before = (identity(&namespace, "bob").await?, token(&namespace, "bob").await?);
        let volume = tempfile::tempdir()?;
        let backup = back_up(&namespace, volume.path()).await?;
        let outcome = restored(&namespace.name, &backup, volume.path(), &before).await;
        let ended = tokio::task::spawn_blocking(|| test_cluster::down(CLUSTER)).await?;
        outcome.and(ended)
    })
    .await
    .unwrap();
}

async fn back_up(namespace: &TestNamespace, volume: &Path) -> anyhow::Result<Backup> {
    let relay = PodProcess::of(&namespace.client, &namespace.name, &format!("{RELAY}-0")).await?;
    let pause = relay.pause()?;
    copy(&relay.folder(DATA), volume)?;
    drop(pause);
    Backup::take(namespace).await
}

async fn restored(
    name: &str,
    backup: &Backup,
    files: &Path,
    before: &(String, String),
) -> anyhow::Result<()> {
    let started = tokio::task::spawn_blocking(|| {
        test_cluster::down(CLUSTER)?;
        let cluster = test_cluster::up(CLUSTER)?;
        demo::install_product(&cluster)?;
        anyhow::Ok(cluster)
    });
    let client = started.await??.client().await?;
    let namespace = TestNamespace { client: client.clone(), name: name.to_owned() };
    without_operators(&client, async || {
        let object: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &object).await?;
        for claim in backup.claims() {
            volume(&client, name, &claim, files).await.with_context(|| format!("restore {claim}"))?;
        }
        backup.restore(&namespace).await
    })
    .await?;
    condition::<Relay>(&namespace, RELAY, ("Ready", "True", "Ready")).await?;
    for agent in ["alice", "bob"] {
        becomes_ready(&namespace, agent).await?;
    }
    let now = (identity(&namespace, "bob").await?, token(&namespace, "bob").await?);
    ensure!(now == *before, "bob has another identity or another key");
    answered(&namespace, &now.1, ACCEPTED, CHANGE_TIMEOUT).await?;
    let relay = RelayPortForward::open(&namespace, RELAY).await?;
    let bob = connect(&namespace, &relay, "bob").await?;
    let message = tokio::time::timeout(CHANGE_TIMEOUT, bob.inbox().next()).await?;
    let text = message.as_ref().and_then(|message| message.text());
    ensure!(text == Some(STORED), "bob's mailbox holds {text:?}");
    Ok(())
}

/// Makes a volume of the files and a claim for it of the name that the StatefulSet will look for.
async fn volume(client: &Client, namespace: &str, claim: &str, files: &Path) -> anyhow::Result<()> {
    // The relay's user must reach it.
    fs::set_permissions(files, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    let (capacity, modes) = (json!({"storage": "1Gi"}), json!(["ReadWriteOnce"]));
    let volume: PersistentVolume = serde_json::from_value(json!({
        "metadata": {"name": format!("{namespace}-{claim}")},
        "spec": {
            "capacity": capacity, "accessModes": modes, "storageClassName": "",
            "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": files},
        },
    }))?;
    Api::<PersistentVolume>::all(client.clone()).create(&PostParams::default(), &volume).await?;
    let bound: PersistentVolumeClaim = serde_json::from_value(json!({
        "metadata": {"name": claim},
        "spec": {
            "accessModes": modes, "storageClassName": "", "volumeName": format!("{namespace}-{claim}"),
            "resources": {"requests": capacity},
        },
    }))?;
    Api::<PersistentVolumeClaim>::namespaced(client.clone(), namespace)
        .create(&PostParams::default(), &bound)
        .await?;
    Ok(())
}
