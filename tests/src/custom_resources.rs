//! Applies Relay, Tenant and Agents as a user does, and connects agents of the SDK with nothing but
//! the Secrets that the operator wrote.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use crds::{Relay, Tenant, condition::Condition, name};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use msg2agent::{Agent, Config, Identity, KeySource, TokenSource, config::Endpoint};
use serde_json::{Value, json};

use crate::namespace::TestNamespace;
use crate::relay_port_forward::RelayPortForward;
use devtools::eventually::eventually;

/// Name of the relay and of the tenant of a test.
pub const RELAY: &str = "main";
pub const TENANT: &str = "acme";

/// The promise: one apply, and within a minute everything serves. The machine of a test run is
/// slower than that of a person.
pub const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// How long the SDK tries to connect: a relay that was killed is back before.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// Applies an object of this name and spec, as `kubectl apply --server-side` does; again changes
/// nothing.
///
/// # Errors
/// An error of the API server.
pub async fn apply<K>(namespace: &TestNamespace, name: &str, spec: Value) -> anyhow::Result<()>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let (version, kind) = (K::api_version(&()), K::kind(&()));
    let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec});
    let applied = namespace.api::<K>().patch(name, &PatchParams::apply("tests"), &Patch::Apply(object)).await;
    applied.map(drop).with_context(|| format!("apply the {kind} {name}"))
}

/// # Errors
/// An error of the API server.
pub async fn relay_and_tenant(namespace: &TestNamespace) -> anyhow::Result<()> {
    apply::<Relay>(namespace, RELAY, json!({"domain": "agents.example.com"})).await?;
    apply::<Tenant>(namespace, TENANT, json!({"relayRef": {"name": RELAY}})).await
}

/// Applies an Agent of the tenant; `extra` is the rest of its spec.
///
/// # Errors
/// An error of the API server.
pub async fn agent(namespace: &TestNamespace, name: &str, extra: Value) -> anyhow::Result<()> {
    let mut spec = json!({"tenantRef": {"name": TENANT}});
    if let (Some(spec), Some(extra)) = (spec.as_object_mut(), extra.as_object()) {
        spec.extend(extra.clone());
    }
    apply::<crds::Agent>(namespace, name, spec).await
}

/// An Agent that is Ready, with its relay and tenant.
///
/// # Errors
/// The conditions that were seen last.
pub async fn ready_agent(namespace: &TestNamespace, name: &str, extra: Value) -> anyhow::Result<crds::Agent> {
    relay_and_tenant(namespace).await?;
    agent(namespace, name, extra).await?;
    becomes_ready(namespace, name).await
}

/// # Errors
/// The conditions that were seen last.
pub async fn becomes_ready(namespace: &TestNamespace, agent: &str) -> anyhow::Result<crds::Agent> {
    eventually(&format!("the Agent {agent} is Ready"), READY_TIMEOUT, async || {
        let agent = namespace.api::<crds::Agent>().get(agent).await?;
        let conditions = agent.status.clone().unwrap_or_default().conditions;
        ensure!(has_condition(&conditions, "Ready", "True", "Ready"), "{conditions:?}");
        Ok(agent)
    })
    .await
}

pub fn has_condition(conditions: &[Condition], about: &str, status: &str, reason: &str) -> bool {
    conditions.iter().any(|c| c.type_ == about && c.status == status && c.reason == reason)
}

/// Connects as a Ready Agent whose identity the operator made.
///
/// # Errors
/// A Secret is incomplete, or the relay does not take it.
pub async fn connect(
    namespace: &TestNamespace,
    relay: &RelayPortForward,
    agent: &str,
) -> anyhow::Result<Agent> {
    Ok(Agent::connect(config(namespace, relay, agent).await?).await?)
}

/// The configuration with which [`connect`] connects.
///
/// # Errors
/// A Secret is incomplete.
pub async fn config(
    namespace: &TestNamespace,
    relay: &RelayPortForward,
    agent: &str,
) -> anyhow::Result<Config> {
    let secrets = namespace.api::<Secret>();
    let credentials = secrets.get(&name::agent_credentials(agent)).await?;
    let identity = secrets.get(&name::agent_identity(agent)).await?;
    let identity = Identity::from_key_file(&value(&identity, "identity.json")?)?;
    let token = TokenSource::Value(value(&credentials, "token")?.parse()?);
    let (did, keys) = (value(&credentials, "did")?.parse()?, KeySource::Memory(Arc::new(identity)));
    let endpoint = Endpoint::new(&relay.url())?;
    Ok(Config::new(endpoint, did, token, keys).with_connect_timeout(CONNECT_TIMEOUT))
}

/// A text in a Secret.
///
/// # Errors
/// It is not there.
pub fn value(secret: &Secret, key: &str) -> anyhow::Result<String> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(key)).with_context(|| format!("read {key}"))?;
    String::from_utf8(bytes.0.clone()).context("read it as text")
}
