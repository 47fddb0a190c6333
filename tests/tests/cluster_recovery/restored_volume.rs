//! Tests a relay whose volume was restored from a copy that still has a revoked key, and lacks an
//! agent that was made since.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use crds::Agent;
use devtools::eventually::eventually;
use devtools::pod_process::PodProcess;
use kube::api::DeleteParams;
use msg2agent_tests::custom_resources::ready_agent;
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::operator_replicas::{alone, without_operators};
use msg2agent_tests::relay_answer::{ACCEPTED, REFUSED};
use serde_json::json;

use crate::agent_state::{CHANGE_TIMEOUT, answered, gone, token};
use crate::volume_copy::{DATA, copy};

/// One listing, from the moment at which a replica leads.
const LISTING_TIMEOUT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_restored_volume_is_brought_to_the_objects_state_with_the_first_listing() {
    let _alone = alone().await.unwrap();
    in_installed("restored-volume", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        let revoked = token(&namespace, "alice").await?;
        let backup = tempfile::tempdir()?;
        let relay = process(&namespace).await?;
        let pause = relay.pause()?;
        copy(&relay.folder(DATA), backup.path())?;
        drop(pause);
        namespace.api::<Agent>().delete("alice", &DeleteParams::default()).await?;
        gone::<Agent>(&namespace, "alice").await?;
        answered(&namespace, &revoked, REFUSED, CHANGE_TIMEOUT).await?;
        ready_agent(&namespace, "bob", json!({})).await?;
        let made_since = token(&namespace, "bob").await?;
        without_operators(&namespace.client, async || {
            restore(&namespace, backup.path()).await?;
            // The restored relay knows the one key and not the other.
            answered(&namespace, &revoked, ACCEPTED, CHANGE_TIMEOUT).await?;
            answered(&namespace, &made_since, REFUSED, CHANGE_TIMEOUT).await
        })
        .await?;
        answered(&namespace, &revoked, REFUSED, LISTING_TIMEOUT).await?;
        answered(&namespace, &made_since, ACCEPTED, LISTING_TIMEOUT).await
    })
    .await
    .unwrap();
}

async fn process(namespace: &TestNamespace) -> anyhow::Result<PodProcess> {
    PodProcess::of(&namespace.client, &namespace.name, "main-0").await
}

/// Replaces the files of the relay while it is paused, kills it, and waits for the next process.
async fn restore(namespace: &TestNamespace, backup: &Path) -> anyhow::Result<()> {
    let relay = process(namespace).await?;
    let pause = relay.pause()?;
    let folder = relay.folder(DATA);
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.is_file() {
            fs::remove_file(&path).with_context(|| format!("delete {}", path.display()))?;
        }
    }
    copy(backup, &folder)?;
    relay.kill()?;
    // A process that has ended cannot be resumed.
    std::mem::forget(pause);
    eventually("the kubelet starts the relay again", CHANGE_TIMEOUT, async || {
        let now = process(namespace).await?;
        ensure!(now.restarts == relay.restarts + 1, "{} restarts", now.restarts);
        Ok(())
    })
    .await
}
