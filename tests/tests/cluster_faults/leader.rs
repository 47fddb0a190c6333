//! Tests leader election: another replica takes over from a leader that was killed or paused, and a
//! paused leader does not write when it resumes.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use devtools::eventually::eventually;
use k8s_openapi::api::core::v1::Service;
use kube::api::DeleteParams;
use msg2agent_tests::custom_resources::{RELAY, ready_agent};
use msg2agent_tests::installed_operator::{in_installed, leader};
use msg2agent_tests::namespace::TestNamespace;
use serde_json::json;

use msg2agent_tests::operator_replicas as operators;

/// Longest wait for one repair, or for a replica to notice that it leads no more.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn after_sigkill_of_the_leader_another_process_leads_and_programs() {
    let _alone = operators::alone().await.unwrap();
    in_installed("leader-killed", async |namespace| {
        let before = leader(&namespace.client).await?;
        let (leading, _) = operators::leader_and_other(&namespace.client).await?;
        leading.kill()?;
        operators::successor(&namespace.client, &before).await?;
        ready_agent(&namespace, "alice", json!({})).await.map(drop)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_leader_that_was_paused_finds_another_one_and_writes_nothing() {
    let _alone = operators::alone().await.unwrap();
    in_installed("leader-paused", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        let client = &namespace.client;
        let before = leader(client).await?;
        let (paused, other) = operators::leader_and_other(client).await?;
        let writes = settled_writes(&namespace, &paused.pod).await?;
        let pause = paused.pause()?;
        let after = operators::successor(client, &before).await?;
        ensure!(after.starts_with(&other.pod), "{after} leads while {} is paused", paused.pod);
        // Both have heard of it when the pause ends; only one may act on it.
        a_deleted_service_comes_back(&namespace).await?;
        drop(pause);
        eventually("the one that was paused stands by", CHANGE_TIMEOUT, async || {
            let leads = operators::metric(client, &paused.pod, "msg2agent_operator_leader").await?;
            ensure!(leads == 0.0, "it says that it leads");
            Ok(())
        })
        .await?;
        let now = operators::metric(client, &paused.pod, WRITES).await?;
        ensure!(now == writes, "it wrote {} times after its pause", now - writes);
        ensure!(operators::metric(client, &other.pod, "msg2agent_operator_leader").await? == 1.0);
        ensure!(leader(client).await? == after, "the lease went back");
        ensure!(paused.is_alive(), "it was restarted, so nothing was shown");
        Ok(())
    })
    .await
    .unwrap();
}

const WRITES: &str = "msg2agent_operator_writes_total";

/// How often `pod` has written, once it has come to rest: nothing in two seconds.
async fn settled_writes(namespace: &TestNamespace, pod: &str) -> anyhow::Result<f64> {
    eventually("the operator has come to rest", CHANGE_TIMEOUT, async || {
        let before = operators::metric(&namespace.client, pod, WRITES).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = operators::metric(&namespace.client, pod, WRITES).await?;
        ensure!(now == before, "{before} writes became {now}");
        Ok(now)
    })
    .await
}

async fn a_deleted_service_comes_back(namespace: &TestNamespace) -> anyhow::Result<()> {
    let services = namespace.api::<Service>();
    let deleted = services.get(RELAY).await?.metadata.uid.context("a Service has a uid")?;
    services.delete(RELAY, &DeleteParams::default()).await?;
    eventually("the Service is there again", CHANGE_TIMEOUT, async || {
        let found = services.get(RELAY).await?;
        ensure!(found.metadata.uid.as_deref() != Some(&*deleted), "it is still the old one");
        Ok(())
    })
    .await
}
