//! Tests that objects that claim to have been accepted, by finalizers that anybody can write, take
//! nothing from those who were: neither while they are refused nor when they are deleted.

use crds::{Agent, Tenant, label};
use kube::api::{DeleteParams, Patch, PatchParams};
use msg2agent::Content;
use msg2agent_tests::custom_resources::{RELAY, TENANT, connect, ready_agent};
use msg2agent_tests::installed_operator::in_installed;
use msg2agent_tests::namespace::{TestNamespace, in_namespace};
use msg2agent_tests::operator_replicas;
use msg2agent_tests::relay_port_forward::RelayPortForward;
use serde_json::{Value, json};

use crate::agent_state::{AgentState, condition, gone};
use crate::session::{Session, receives};

const STORED: &str = "stored before the forgery";

#[tokio::test]
async fn a_tenant_of_a_namespace_that_is_not_admitted_takes_nothing_from_the_real_agents() {
    attacked("forged-outside", async |victim, evil| {
        let thief = json!({"tenantId": TENANT, "relayRef": {"name": RELAY, "namespace": victim.name}});
        forge::<Tenant>(evil, "thief", label::TEARDOWN, thief).await?;
        condition::<Tenant>(evil, "thief", ("Accepted", "False", "RefNotPermitted")).await?;
        forge::<Agent>(evil, "bob", label::REVOCATION, json!({"tenantRef": {"name": "thief"}})).await?;
        condition::<Agent>(evil, "bob", ("Accepted", "False", "TenantNotAccepted")).await?;
        Ok(vec![(evil.clone(), "bob", "thief")])
    })
    .await;
}

#[tokio::test]
async fn a_second_tenant_with_the_same_id_takes_nothing_from_the_first_ones_agents() {
    attacked("forged-inside", async |victim, _| {
        let thief = json!({"tenantId": TENANT, "relayRef": {"name": RELAY}});
        forge::<Tenant>(victim, "thief", label::TEARDOWN, thief).await?;
        condition::<Tenant>(victim, "thief", ("Accepted", "False", "TenantIdConflict")).await?;
        let agent = json!({"tenantRef": {"name": "thief"}, "handle": "bob"});
        forge::<Agent>(victim, "thief-bob", label::REVOCATION, agent).await?;
        condition::<Agent>(victim, "thief-bob", ("Accepted", "False", "TenantNotAccepted")).await?;
        Ok(vec![(victim.clone(), "thief-bob", "thief")])
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_its_tenant_does_not_admit_takes_nothing_from_the_agent_of_its_handle() {
    attacked("forged-agent", async |victim, evil| {
        let tenant = json!({"name": TENANT, "namespace": victim.name});
        forge::<Agent>(evil, "bob", label::REVOCATION, json!({"tenantRef": tenant})).await?;
        condition::<Agent>(evil, "bob", ("Accepted", "False", "RefNotPermitted")).await?;
        Ok(vec![(evil.clone(), "bob", "")])
    })
    .await;
}

/// Sets up alice, and bob with a session and a stored message, runs the forgery, deletes what it
/// returns (namespace, Agent, Tenant), and shows each time that nothing has changed.
async fn attacked(
    name: &str,
    forgery: impl AsyncFnOnce(
        &TestNamespace,
        &TestNamespace,
    ) -> anyhow::Result<Vec<(TestNamespace, &'static str, &'static str)>>,
) {
    let _undisturbed = operator_replicas::undisturbed().await;
    in_installed(name, async |victim| {
        for agent in ["alice", "bob"] {
            ready_agent(&victim, agent, json!({})).await?;
        }
        let relay = RelayPortForward::open(&victim, RELAY).await?;
        let alice = connect(&victim, &relay, "alice").await?;
        let bob = Session::open(connect(&victim, &relay, "bob").await?, &alice, STORED).await?;
        let did = bob.did().clone();
        let states = [AgentState::read(&victim, "alice").await?, AgentState::read(&victim, "bob").await?];
        in_namespace(victim.client.clone(), "evil", async |evil| {
            let forged = forgery(&victim, &evil).await?;
            for state in &states {
                state.ensure_unharmed(&victim).await?;
            }
            for (namespace, agent, tenant) in forged {
                delete::<Agent>(&namespace, agent).await?;
                if !tenant.is_empty() {
                    delete::<Tenant>(&namespace, tenant).await?;
                }
            }
            for state in &states {
                state.ensure_unharmed(&victim).await?;
            }
            Ok(())
        })
        .await?;
        bob.close_unharmed(&victim).await?;
        alice.send(&did, Content::text("sent after it")).await?;
        let bob = connect(&victim, &relay, "bob").await?;
        receives(&bob, &[STORED, "sent after it"]).await?;
        bob.close().await;
        alice.close().await;
        Ok(())
    })
    .await
    .unwrap();
}

/// Applies an object with the finalizer of one that was accepted.
///
/// # Errors
/// The API server refuses.
pub(crate) async fn forge<K>(
    namespace: &TestNamespace,
    name: &str,
    finalizer: &str,
    spec: Value,
) -> anyhow::Result<()>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let metadata = json!({"name": name, "finalizers": [finalizer]});
    let (version, kind) = (K::api_version(&()), K::kind(&()));
    let object = json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec});
    namespace.api::<K>().patch(name, &PatchParams::apply("thief"), &Patch::Apply(object)).await?;
    Ok(())
}

/// Deletes it and waits until it is gone.
///
/// # Errors
/// It stays.
pub(crate) async fn delete<K>(namespace: &TestNamespace, name: &str) -> anyhow::Result<()>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    namespace.api::<K>().delete(name, &DeleteParams::default()).await?;
    gone::<K>(namespace, name).await
}
