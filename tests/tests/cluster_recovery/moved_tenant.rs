//! Tests a team that moves its Tenant and Agent to another namespace and deletes the old one later.

use anyhow::Context as _;
use crds::{Agent, Relay, Tenant};
use devtools::eventually::eventually;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use msg2agent_tests::custom_resources::{READY_TIMEOUT, RELAY, TENANT, agent, apply, becomes_ready, connect};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::{TestNamespace, in_namespace};
use msg2agent_tests::operator_replicas::undisturbed;
use msg2agent_tests::relay_answer::REFUSED;
use msg2agent_tests::relay_port_forward::RelayPortForward;
use serde_json::{Value, json};

use crate::agent_state::{AgentState, CHANGE_TIMEOUT, answered, condition, token};
use crate::session::{Session, receives};

const STORED: &str = "stored before the old namespace ends";

#[tokio::test]
async fn a_tenant_that_moves_hands_over_and_the_end_of_the_old_namespace_harms_nobody() {
    let _undisturbed = undisturbed().await;
    in_installed("moved", async |platform| {
        in_namespace(platform.client.clone(), "moved-new", async |new| {
            let (mut before, mut sessions) = (None, None);
            let mut old_name = String::new();
            in_namespace(platform.client.clone(), "moved-old", async |old| {
                let old_token = joins(&platform, &old).await?;
                admit(&platform, &new).await?;
                condition::<Tenant>(&old, TENANT, ("Accepted", "False", "RefNotPermitted")).await?;
                answered(&platform, &old_token, REFUSED, CHANGE_TIMEOUT).await?;
                let new_token = joins(&platform, &new).await?;
                anyhow::ensure!(new_token != old_token, "the key was handed over, too");
                agent(&new, "bob", json!({})).await?;
                becomes_ready(&new, "bob").await?;
                before = Some(AgentState::read(&new, "alice").await?);
                sessions = Some(open_sessions(&platform, &new).await?);
                old_name.clone_from(&old.name);
                Ok(())
            })
            .await?;
            is_gone(&platform, &old_name).await?;
            before.context("a state")?.ensure_unharmed_at(&new, &platform).await?;
            let (alice, bob, relay) = sessions.context("a session")?;
            alice.close_unharmed(&platform).await?;
            bob.close().await;
            let alice = connect(&new, &relay, "alice").await?;
            receives(&alice, &[STORED]).await?;
            alice.close().await;
            Ok(())
        })
        .await
    })
    .await
    .unwrap();
}

/// Alice of the new namespace, on line with a stored message of bob's.
async fn open_sessions(
    platform: &TestNamespace,
    team: &TestNamespace,
) -> anyhow::Result<(Session, msg2agent::Agent, RelayPortForward)> {
    let relay = RelayPortForward::open(platform, RELAY).await?;
    let bob = connect(team, &relay, "bob").await?;
    let alice = Session::open(connect(team, &relay, "alice").await?, &bob, STORED).await?;
    Ok((alice, bob, relay))
}

/// Lets the Relay admit the namespace alone.
async fn admit(platform: &TestNamespace, team: &TestNamespace) -> anyhow::Result<()> {
    let change = Patch::Merge(json!({"spec": {"tenants": tenants_of(team)}}));
    platform.api::<Relay>().patch(RELAY, &PatchParams::default(), &change).await?;
    Ok(())
}

fn tenants_of(team: &TestNamespace) -> Value {
    json!({"allowedFrom": {"from": "Names", "names": [team.name]}})
}

/// The team applies its Tenant and its Agent; the key of the Agent once it is Ready.
async fn joins(platform: &TestNamespace, team: &TestNamespace) -> anyhow::Result<String> {
    if platform.api::<Relay>().get_opt(RELAY).await?.is_none() {
        let spec = json!({"domain": "agents.example.com", "tenants": tenants_of(team)});
        apply::<Relay>(platform, RELAY, spec).await?;
    }
    let reference = json!({"name": RELAY, "namespace": platform.name});
    apply::<Tenant>(team, TENANT, json!({"relayRef": reference})).await?;
    agent(team, "alice", json!({})).await?;
    becomes_ready(team, "alice").await?;
    token(team, "alice").await
}

async fn is_gone(platform: &TestNamespace, name: &str) -> anyhow::Result<()> {
    let namespaces = Api::<Namespace>::all(platform.client.clone());
    eventually("the old namespace is gone", READY_TIMEOUT, async || {
        let agents = Api::<Agent>::namespaced(platform.client.clone(), name);
        let left = agents.list(&kube::api::ListParams::default()).await?.items.len();
        anyhow::ensure!(namespaces.get_opt(name).await?.is_none(), "it has {left} Agents");
        Ok(())
    })
    .await
}
