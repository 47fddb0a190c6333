//! Tests relays of other releases: `spec.image` of a Relay holds back or brings forward its relay
//! while the operator stays. Everything works with each, and goes on after the change of image.
//!
//! The first image is one that ends at once, which heals, too, when it is put right.

use anyhow::ensure;
use crds::{Agent, Relay, Tenant};
use devtools::cluster::Cluster;
use devtools::eventually::eventually;
use devtools::image::Image;
use devtools::programs;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, LogParams, Patch, PatchParams};
use msg2agent::{Content, SendStatus};
use msg2agent_tests::custom_resources::{READY_TIMEOUT, RELAY, TENANT, agent, apply, becomes_ready, connect};
use msg2agent_tests::installed_operator::{cluster, in_installed};
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::operator_replicas::undisturbed;
use msg2agent_tests::relay_answer::{ACCEPTED, REFUSED, SUSPENDED};
use msg2agent_tests::relay_port_forward::RelayPortForward;
use serde_json::{Value, json};

use crate::agent_state::{CHANGE_TIMEOUT, answered, condition, gone, token};
use crate::session::receives;

/// `tests/src/bin/skewed_relay.rs`.
const SKEWED: Image = Image { binary: "skewed_relay", reference: "localhost/skewed-relay:test" };
const HELLO: &str = "hello";
const WAITS: &str = "sent before the change of image";

#[tokio::test]
async fn a_relay_of_the_previous_and_of_the_next_release_serves_and_so_does_the_one_after_it() {
    let _undisturbed = undisturbed().await;
    let cluster = cluster().await.unwrap();
    if !cluster.takes_images() {
        return;
    }
    tokio::task::spawn_blocking(|| load(cluster)).await.unwrap().unwrap();
    in_installed("version-skew", async |namespace| {
        let relay = json!({"domain": "agents.example.com", "image": image()});
        apply::<Relay>(&namespace, RELAY, relay).await?;
        ends_at_once(&namespace).await?;
        pin(&namespace, released("previous")).await?;
        apply::<Tenant>(&namespace, TENANT, json!({"relayRef": {"name": RELAY}})).await?;
        serves(&namespace, "0.0.9", &[]).await?;
        pin(&namespace, released("next")).await?;
        serves(&namespace, "9.0.0", &[WAITS]).await?;
        pin(&namespace, json!({"image": null, "template": null})).await?;
        serves(&namespace, env!("CARGO_PKG_VERSION"), &[WAITS]).await
    })
    .await
    .unwrap();
}

fn load(cluster: &Cluster) -> anyhow::Result<()> {
    let archives = tempfile::tempdir()?;
    cluster.load(&SKEWED.build(&programs::folder()?, archives.path())?)
}

fn image() -> Value {
    json!({"repository": "localhost/skewed-relay", "tag": "test", "pullPolicy": "Never"})
}

/// Waits until the program has ended, because nothing says of which release it is.
async fn ends_at_once(namespace: &TestNamespace) -> anyhow::Result<()> {
    eventually("the relay ends at once", READY_TIMEOUT, async || {
        let pod = namespace.api::<Pod>().get(&format!("{RELAY}-0")).await?;
        let statuses = pod.status.and_then(|status| status.container_statuses).unwrap_or_default();
        let restarts = statuses.first().map(|status| status.restart_count);
        ensure!(restarts.is_some_and(|restarts| restarts > 0), "{statuses:?}");
        Ok(())
    })
    .await
}

/// The part of a Relay's spec that makes its relay one of this release.
fn released(release: &str) -> Value {
    json!({"image": image(), "template": {"container": {"env": [{"name": "RELEASE", "value": release}]}}})
}

async fn pin(namespace: &TestNamespace, spec: Value) -> anyhow::Result<()> {
    let change = Patch::Merge(json!({"spec": spec}));
    namespace.api::<Relay>().patch(RELAY, &PatchParams::default(), &change).await?;
    Ok(())
}

/// Shows that everything which an operator asks of a relay of this version is done, and that no
/// request had a part that the relay does not know. `waiting` are the messages in bob's mailbox; in
/// the end there is one.
async fn serves(namespace: &TestNamespace, version: &str, waiting: &[&str]) -> anyhow::Result<()> {
    eventually(&format!("the relay is of release {version}"), READY_TIMEOUT, async || {
        let status = namespace.api::<Relay>().get(RELAY).await?.status.unwrap_or_default();
        let found = status.version.unwrap_or_default();
        ensure!(found.ends_with(version), "it is {found}, {:?}", status.conditions);
        Ok(())
    })
    .await?;
    condition::<Relay>(namespace, RELAY, ("Ready", "True", "Ready")).await?;
    for name in ["alice", "bob", "carol"] {
        agent(namespace, name, json!({})).await?;
    }
    for name in ["alice", "bob", "carol"] {
        becomes_ready(namespace, name).await?;
    }
    messages_arrive(namespace, waiting).await?;
    a_key_rotates(namespace, version).await?;
    a_suspension_holds(namespace).await?;
    a_deleted_agent_is_refused(namespace).await?;
    a_tenant_comes_and_goes(namespace).await?;
    let log = namespace.api::<Pod>().logs(&format!("{RELAY}-0"), &LogParams::default()).await?;
    let refused: Vec<_> = log.lines().filter(|line| line.contains("does not know")).collect();
    ensure!(refused.is_empty(), "{refused:?}");
    Ok(())
}

/// Bob gets what waited and a message of alice. Another one waits in the end.
async fn messages_arrive(namespace: &TestNamespace, waiting: &[&str]) -> anyhow::Result<()> {
    let relay = RelayPortForward::open(namespace, RELAY).await?;
    let alice = connect(namespace, &relay, "alice").await?;
    let bob = connect(namespace, &relay, "bob").await?;
    alice.send(bob.did(), Content::text(HELLO)).await?;
    receives(&bob, &[waiting, &[HELLO]].concat()).await?;
    bob.close().await;
    let sent = alice.send(bob.did(), Content::text(WAITS)).await?;
    ensure!(sent.status == SendStatus::Stored, "{:?}", sent.status);
    alice.close().await;
    Ok(())
}

async fn a_key_rotates(namespace: &TestNamespace, request: &str) -> anyhow::Result<()> {
    let before = token(namespace, "alice").await?;
    let rotation = json!({"requestedRotation": request, "overlap": "1h"});
    let change = Patch::Merge(json!({"spec": {"credentials": {"rotation": rotation}}}));
    namespace.api::<Agent>().patch("alice", &PatchParams::default(), &change).await?;
    eventually("the rotation is handled", CHANGE_TIMEOUT, async || {
        let status = namespace.api::<Agent>().get("alice").await?.status.unwrap_or_default();
        ensure!(status.last_handled_rotation.as_deref() == Some(request), "{status:?}");
        Ok(())
    })
    .await?;
    let after = token(namespace, "alice").await?;
    ensure!(after != before, "the Secret has the same key");
    for key in [before, after] {
        answered(namespace, &key, ACCEPTED, CHANGE_TIMEOUT).await?;
    }
    Ok(())
}

async fn a_suspension_holds(namespace: &TestNamespace) -> anyhow::Result<()> {
    let key = token(namespace, "bob").await?;
    for (suspend, answer) in [(true, SUSPENDED), (false, ACCEPTED)] {
        let change = Patch::Merge(json!({"spec": {"suspend": suspend}}));
        namespace.api::<Agent>().patch("bob", &PatchParams::default(), &change).await?;
        answered(namespace, &key, answer, CHANGE_TIMEOUT).await?;
    }
    becomes_ready(namespace, "bob").await.map(drop)
}

async fn a_deleted_agent_is_refused(namespace: &TestNamespace) -> anyhow::Result<()> {
    let key = token(namespace, "carol").await?;
    answered(namespace, &key, ACCEPTED, CHANGE_TIMEOUT).await?;
    namespace.api::<Agent>().delete("carol", &DeleteParams::default()).await?;
    answered(namespace, &key, REFUSED, CHANGE_TIMEOUT).await
}

async fn a_tenant_comes_and_goes(namespace: &TestNamespace) -> anyhow::Result<()> {
    apply::<Tenant>(namespace, "guests", json!({"relayRef": {"name": RELAY}})).await?;
    condition::<Tenant>(namespace, "guests", ("Ready", "True", "Ready")).await?;
    namespace.api::<Tenant>().delete("guests", &DeleteParams::default()).await?;
    gone::<Tenant>(namespace, "guests").await
}
