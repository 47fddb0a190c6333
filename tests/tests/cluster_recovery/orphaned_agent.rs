//! Tests an Agent that is deleted with `--cascade=orphan`, or without it, and applied again: it is
//! the same agent.

use anyhow::ensure;
use crds::Agent;
use kube::api::{DeleteParams, PropagationPolicy};
use msg2agent::Content;
use msg2agent_tests::custom_resources::{RELAY, agent, becomes_ready, connect, ready_agent};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::operator_replicas::undisturbed;
use msg2agent_tests::relay_answer::{ACCEPTED, REFUSED};
use msg2agent_tests::relay_port_forward::RelayPortForward;
use serde_json::json;

use crate::agent_state::{CHANGE_TIMEOUT, answered, gone, identity, token};

#[tokio::test]
async fn an_orphaned_agent_that_is_applied_again_adopts_its_secrets() {
    applied_again("orphaned", PropagationPolicy::Orphan).await;
}

#[tokio::test]
async fn a_deleted_agent_that_is_applied_again_keeps_its_identity_and_its_mail() {
    applied_again("reapplied", PropagationPolicy::Background).await;
}

async fn applied_again(name: &str, propagation: PropagationPolicy) {
    let _undisturbed = undisturbed().await;
    in_installed(name, async |namespace| {
        for agent in ["alice", "bob"] {
            ready_agent(&namespace, agent, json!({})).await?;
        }
        let relay = RelayPortForward::open(&namespace, RELAY).await?;
        let alice = connect(&namespace, &relay, "alice").await?;
        let bob = connect(&namespace, &relay, "bob").await?;
        let did = bob.did().clone();
        bob.close().await;
        alice.send(&did, Content::text("kept")).await?;
        let (before, key) = (identity(&namespace, "bob").await?, token(&namespace, "bob").await?);
        let delete = DeleteParams { propagation_policy: Some(propagation), ..DeleteParams::default() };
        namespace.api::<Agent>().delete("bob", &delete).await?;
        gone::<Agent>(&namespace, "bob").await?;
        answered(&namespace, &key, REFUSED, CHANGE_TIMEOUT).await?;
        agent(&namespace, "bob", json!({})).await?;
        becomes_ready(&namespace, "bob").await?;
        ensure!(identity(&namespace, "bob").await? == before, "it has another identity");
        answered(&namespace, &token(&namespace, "bob").await?, ACCEPTED, CHANGE_TIMEOUT).await?;
        let bob = connect(&namespace, &relay, "bob").await?;
        let message = tokio::time::timeout(CHANGE_TIMEOUT, bob.inbox().next()).await?;
        let text = message.as_ref().and_then(|message| message.text());
        ensure!(text == Some("kept"), "its mailbox holds {text:?}");
        Ok(())
    })
    .await
    .unwrap();
}
