//! Tests that a Relay whose deletion waits for its Tenants is served in full: its objects are put
//! back, new Agents join and keys are revoked.

use anyhow::{Context as _, ensure};
use crds::{Agent, Relay};
use devtools::eventually::eventually;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams};
use msg2agent_tests::custom_resources::{READY_TIMEOUT, RELAY, agent, becomes_ready, ready_agent};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::operator_replicas::undisturbed;
use msg2agent_tests::relay_answer::{ACCEPTED, REFUSED};
use serde_json::json;

use crate::agent_state::{CHANGE_TIMEOUT, answered, condition, token};

#[tokio::test]
async fn a_relay_whose_deletion_is_blocked_is_served_in_full() {
    let _undisturbed = undisturbed().await;
    in_installed("blocked-relay", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        namespace.api::<Relay>().delete(RELAY, &DeleteParams::default()).await?;
        condition::<Relay>(&namespace, RELAY, ("DeletionBlocked", "True", "InUse")).await?;
        // Its objects are put back.
        let services = namespace.api::<Service>();
        let deleted = services.get(RELAY).await?.uid().context("a Service has a uid")?;
        services.delete(RELAY, &DeleteParams::default()).await?;
        eventually("the Service is there again", CHANGE_TIMEOUT, async || {
            ensure!(services.get(RELAY).await?.uid().as_ref() != Some(&deleted), "it is the old one");
            Ok(())
        })
        .await?;
        // Its settings are applied.
        let change = Patch::Merge(json!({"spec": {"logFilter": "debug"}}));
        namespace.api::<Relay>().patch(RELAY, &PatchParams::default(), &change).await?;
        eventually("the Relay's change is observed", READY_TIMEOUT, async || {
            let relay = namespace.api::<Relay>().get(RELAY).await?;
            let observed = relay.status.and_then(|status| status.observed_generation);
            ensure!(observed == relay.metadata.generation, "{observed:?} is");
            Ok(())
        })
        .await?;
        // Its agents come and go.
        agent(&namespace, "bob", json!({})).await?;
        becomes_ready(&namespace, "bob").await?;
        let key = token(&namespace, "bob").await?;
        answered(&namespace, &key, ACCEPTED, CHANGE_TIMEOUT).await?;
        namespace.api::<Agent>().delete("bob", &DeleteParams::default()).await?;
        answered(&namespace, &key, REFUSED, CHANGE_TIMEOUT).await
    })
    .await
    .unwrap();
}
