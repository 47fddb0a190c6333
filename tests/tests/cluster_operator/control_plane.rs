//! Tests the operator on a real cluster, from the objects that a user applies to what the relay
//! enforces.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, ensure};
use crds::{Agent, Relay, Tenant};
use devtools::eventually::eventually;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use msg2agent_tests::{
    custom_resources::{agent, has_condition, ready_agent, relay_and_tenant, value},
    installed_operator::in_installed,
    namespace::TestNamespace,
};
use serde_json::json;

use msg2agent_tests::relay_answer::{ACCEPTED, REFUSED, SUSPENDED, answer};

pub(crate) const CHANGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long nothing may be written to objects that nobody touches.
const IDLE_INTERVAL: Duration = Duration::from_secs(20);

#[tokio::test]
async fn agents_get_a_key_that_the_relay_accepts_and_lose_it_with_the_object() {
    run("lifecycle", async |namespace| {
        let alice = ready_agent(&namespace, "alice", json!({})).await?;
        let status = alice.status.context("read the status")?;
        ensure!(
            status.did.as_deref() == Some("did:wba:agents.example.com:agent:acme:alice"),
            "{:?}",
            status.did
        );
        let secret = namespace.api::<Secret>().get("alice-relay").await?;
        ensure!(secret.type_.as_deref() == Some("servicebinding.io/agent-relay"), "{:?}", secret.type_);
        let token = value(&secret, "token")?;
        ensure!(!format!("{status:?}").contains(&token), "the key is in the status");
        ensure!(value(&secret, "key-id")? == status.keys[0].key_id, "status and Secret name different keys");
        ensure!(answer(&namespace, &token).await? == ACCEPTED, "Ready, and the relay refuses the key");
        namespace.api::<Agent>().delete("alice", &DeleteParams::default()).await?;
        gone(&namespace, "alice").await?;
        let after = answer(&namespace, &token).await?;
        ensure!(after == REFUSED, "the Agent is gone, and the relay answers its key with {after}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_key_rotates_with_overlap_and_once_per_request() {
    run("rotation", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        let secret = namespace.api::<Secret>().get("alice-relay").await?;
        let (before, old) = (value(&secret, "key-id")?, value(&secret, "token")?);
        let request =
            json!({"spec": {"credentials": {"rotation": {"requestedRotation": "first", "overlap": "1h"}}}});
        namespace.api::<Agent>().patch("alice", &PatchParams::default(), &Patch::Merge(request)).await?;
        let status = eventually("the rotation is handled", CHANGE_TIMEOUT, async || {
            let status = namespace.api::<Agent>().get("alice").await?.status.unwrap_or_default();
            ensure!(status.last_handled_rotation.as_deref() == Some("first"), "{status:?}");
            ensure!(status.keys.len() == 2, "{:?}", status.keys);
            Ok(status)
        })
        .await?;
        let secret = namespace.api::<Secret>().get("alice-relay").await?;
        ensure!(value(&secret, "key-id")? != before, "the Secret still holds {before}");
        for key in [old, value(&secret, "token")?] {
            ensure!(answer(&namespace, &key).await? == ACCEPTED, "a key is refused during the overlap");
        }
        let retiring = status.keys.iter().find(|key| key.key_id == before).context("find the old key")?;
        ensure!(retiring.not_after.is_some(), "the old key has no end");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_never_touched() {
    run("foreign", async |namespace| {
        relay_and_tenant(&namespace).await?;
        let foreign = json!({"metadata": {"name": "alice-relay"}, "stringData": {"mine": "yes"}});
        let foreign = namespace.create_object::<Secret>(foreign).await?;
        agent(&namespace, "alice", json!({})).await?;
        condition_of(&namespace, "alice", "CredentialsReady", "False", "SecretNameConflict").await?;
        let now = namespace.api::<Secret>().get("alice-relay").await?;
        ensure!(now.resource_version() == foreign.resource_version(), "the Secret was written");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_oldest_agent_keeps_its_handle_and_its_end_frees_it() {
    run("handle", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        agent(&namespace, "impostor", json!({"handle": "alice"})).await?;
        condition_of(&namespace, "impostor", "Accepted", "False", "HandleConflict").await?;
        namespace.api::<Agent>().delete("alice", &DeleteParams::default()).await?;
        condition_of(&namespace, "impostor", "Ready", "True", "Ready").await
    })
    .await;
}

#[tokio::test]
async fn a_suspended_tenant_stops_its_agents_and_says_so() {
    run("suspend", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        let suspend = |suspend: bool| Patch::Merge(json!({"spec": {"suspend": suspend}}));
        let tenants = namespace.api::<Tenant>();
        tenants.patch("acme", &PatchParams::default(), &suspend(true)).await?;
        condition_of(&namespace, "alice", "Suspended", "True", "SuspendedByTenant").await?;
        let token = value(&namespace.api::<Secret>().get("alice-relay").await?, "token")?;
        refused_as(&namespace, &token, SUSPENDED).await?;
        tenants.patch("acme", &PatchParams::default(), &suspend(false)).await?;
        condition_of(&namespace, "alice", "Ready", "True", "Ready").await
    })
    .await;
}

#[tokio::test]
async fn a_suspension_is_enforced_although_a_secret_of_the_agent_belongs_to_somebody_else() {
    run("suspend-blocked", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        let secrets = namespace.api::<Secret>();
        let token = value(&secrets.get("alice-relay").await?, "token")?;
        let foreign = Patch::Merge(json!({"metadata": {"labels": {crds::label::SECRET_KIND: "mine"}}}));
        secrets.patch("alice-relay", &PatchParams::default(), &foreign).await?;
        condition_of(&namespace, "alice", "Stalled", "True", "SecretNameConflict").await?;
        ensure!(answer(&namespace, &token).await? == ACCEPTED, "a conflict alone takes nothing away");
        let suspend = Patch::Merge(json!({"spec": {"suspend": true}}));
        namespace.api::<Agent>().patch("alice", &PatchParams::default(), &suspend).await?;
        refused_as(&namespace, &token, REFUSED).await
    })
    .await;
}

#[tokio::test]
async fn a_relay_in_use_is_held_until_its_tenants_are_gone() {
    run("in-use", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        namespace.api::<Relay>().delete("main", &DeleteParams::default()).await?;
        eventually("the Relay says that it is in use", CHANGE_TIMEOUT, async || {
            let relay = namespace.api::<Relay>().get("main").await?;
            let conditions = relay.status.unwrap_or_default().conditions;
            ensure!(has_condition(&conditions, "DeletionBlocked", "True", "InUse"), "{conditions:?}");
            Ok(())
        })
        .await?;
        namespace.api::<Agent>().delete("alice", &DeleteParams::default()).await?;
        namespace.api::<Tenant>().delete("acme", &DeleteParams::default()).await?;
        eventually("the Relay is gone", CHANGE_TIMEOUT, async || {
            ensure!(namespace.api::<Relay>().get_opt("main").await?.is_none(), "it is still there");
            Ok(())
        })
        .await
    })
    .await;
}

#[tokio::test]
async fn nothing_is_written_to_objects_that_nobody_touches() {
    run("idle", async |namespace| {
        ready_agent(&namespace, "alice", json!({})).await?;
        // The counts of Tenant and Relay follow a second later.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let before = versions(&namespace).await?;
        tokio::time::sleep(IDLE_INTERVAL).await;
        let after = versions(&namespace).await?;
        ensure!(before == after, "written while idle: {before:?} became {after:?}");
        Ok(())
    })
    .await;
}

async fn run(name: &str, test: impl AsyncFnOnce(TestNamespace) -> anyhow::Result<()>) {
    in_installed(name, test).await.unwrap();
}

async fn condition_of(
    namespace: &TestNamespace,
    agent: &str,
    about: &str,
    status: &str,
    reason: &str,
) -> anyhow::Result<()> {
    eventually(&format!("{agent} has {about}={status} ({reason})"), CHANGE_TIMEOUT, async || {
        let found = namespace.api::<Agent>().get(agent).await?.status.unwrap_or_default().conditions;
        ensure!(has_condition(&found, about, status, reason), "{found:?}");
        Ok(())
    })
    .await
}

async fn refused_as(namespace: &TestNamespace, token: &str, wanted: &str) -> anyhow::Result<()> {
    eventually("the relay refuses the key", CHANGE_TIMEOUT, async || {
        let found = answer(namespace, token).await?;
        ensure!(found == wanted, "it answers {found}");
        Ok(())
    })
    .await
}

async fn gone(namespace: &TestNamespace, agent: &str) -> anyhow::Result<()> {
    eventually("the Agent is gone", CHANGE_TIMEOUT, async || {
        ensure!(namespace.api::<Agent>().get_opt(agent).await?.is_none(), "it is still there");
        Ok(())
    })
    .await
}

/// resourceVersions of everything the operator writes for this namespace.
async fn versions(namespace: &TestNamespace) -> anyhow::Result<BTreeMap<String, String>> {
    let mut versions = BTreeMap::new();
    let mut note = |kind: &str, object: &dyn Fn() -> (String, Option<String>)| {
        let (name, version) = object();
        versions.insert(format!("{kind}/{name}"), version.unwrap_or_default());
    };
    for relay in namespace.api::<Relay>().list(&ListParams::default()).await? {
        note("Relay", &|| (relay.name_any(), relay.resource_version()));
    }
    for tenant in namespace.api::<Tenant>().list(&ListParams::default()).await? {
        note("Tenant", &|| (tenant.name_any(), tenant.resource_version()));
    }
    for agent in namespace.api::<Agent>().list(&ListParams::default()).await? {
        note("Agent", &|| (agent.name_any(), agent.resource_version()));
    }
    for secret in namespace.api::<Secret>().list(&ListParams::default()).await? {
        note("Secret", &|| (secret.name_any(), secret.resource_version()));
    }
    Ok(versions)
}
