//! Tests an identity Secret that is lost for good: the Agent stops and says so, a person confirms a
//! new identity, and the relay announces its root key to the peers.

use anyhow::{Context as _, ensure};
use crds::{Agent, label, name};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use msg2agent::Content;
use msg2agent_tests::custom_resources::{RELAY, becomes_ready, config, connect, ready_agent};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::operator_replicas::undisturbed;
use msg2agent_tests::relay_answer::ACCEPTED;
use msg2agent_tests::relay_port_forward::RelayPortForward;
use serde_json::json;

use crate::agent_state::{CHANGE_TIMEOUT, answered, condition, gone, token};
use crate::session::receives;

#[tokio::test]
async fn a_lost_identity_stalls_until_it_is_confirmed_and_peers_accept_the_announced_root_key() {
    let _undisturbed = undisturbed().await;
    in_installed("lost-identity", async |namespace| {
        for agent in ["alice", "bob", "carol"] {
            ready_agent(&namespace, agent, json!({})).await?;
        }
        let relay = RelayPortForward::open(&namespace, RELAY).await?;
        let trusting = config(&namespace, &relay, "alice").await?.accepting_announced_root_keys();
        let alice = msg2agent::Agent::connect(trusting).await?;
        let carol = connect(&namespace, &relay, "carol").await?;
        let bob = connect(&namespace, &relay, "bob").await?;
        for peer in [&alice, &carol] {
            peer.send(bob.did(), Content::text("hello")).await?;
        }
        receives(&bob, &["hello", "hello"]).await?;
        bob.close().await;
        identity_is_replaced(&namespace).await?;
        let bob = connect(&namespace, &relay, "bob").await?;
        alice.lookup(bob.did()).await?;
        bob.send(alice.did(), Content::text("from the new bob")).await?;
        receives(&alice, &["from the new bob"]).await?;
        alice.send(bob.did(), Content::text("to the new bob")).await?;
        receives(&bob, &["to the new bob"]).await?;
        let refused = carol.lookup(bob.did()).await;
        ensure!(refused.as_ref().is_err_and(msg2agent::Error::is_key_changed), "{refused:?}");
        for agent in [alice, bob, carol] {
            agent.close().await;
        }
        Ok(())
    })
    .await
    .unwrap();
}

/// Deletes bob's identity. He stops, keeps his key, and gets a new root key once that is confirmed.
async fn identity_is_replaced(namespace: &TestNamespace) -> anyhow::Result<()> {
    let lost = root_key(namespace).await?;
    let secret = name::agent_identity("bob");
    namespace.api::<Secret>().delete(&secret, &DeleteParams::default()).await?;
    condition::<Agent>(namespace, "bob", ("Stalled", "True", "IdentityLost")).await?;
    gone::<Secret>(namespace, &secret).await?;
    ensure!(root_key(namespace).await? == lost, "the record of the lost key has changed");
    answered(namespace, &token(namespace, "bob").await?, ACCEPTED, CHANGE_TIMEOUT).await?;

    let annotations = json!({label::CONFIRM_NEW_IDENTITY: lost});
    let change = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    namespace.api::<Agent>().patch("bob", &PatchParams::default(), &change).await?;
    becomes_ready(namespace, "bob").await?;
    ensure!(root_key(namespace).await? != lost, "bob has the lost key");
    Ok(())
}

/// The root key in bob's status.
async fn root_key(namespace: &TestNamespace) -> anyhow::Result<String> {
    let status = namespace.api::<Agent>().get("bob").await?.status.unwrap_or_default();
    status.root_key_multibase.context("bob has no root key")
}
