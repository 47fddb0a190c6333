//! Notes everything that an attack or a fault could take from an Agent: its status, its Secrets,
//! its key at the relay and its session.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use crds::{Agent, name};
use devtools::eventually::eventually;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use msg2agent_tests::custom_resources::{has_condition, value};
use msg2agent_tests::namespace::TestNamespace;
use msg2agent_tests::relay_answer::{ACCEPTED, answer};

/// Longest wait for a condition, or for an object to go.
pub(crate) const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);

/// An Agent as it was.
#[derive(PartialEq, Eq)]
pub(crate) struct AgentState {
    name: String,
    /// resourceVersion of the Agent: its status with all transitions is the same while this is.
    version: Option<String>,
    secrets: Vec<(String, Option<String>)>,
    /// The key that the relay accepts.
    token: String,
}

impl AgentState {
    /// # Errors
    /// The Agent or one of its Secrets is not there.
    pub(crate) async fn read(namespace: &TestNamespace, agent: &str) -> anyhow::Result<Self> {
        let found = namespace.api::<Agent>().get(agent).await.context("read the Agent")?;
        let mut secrets = Vec::new();
        for secret in [name::agent_credentials(agent), name::agent_identity(agent)] {
            let read =
                namespace.api::<Secret>().get(&secret).await.with_context(|| format!("read {secret}"))?;
            secrets.push((secret, read.resource_version()));
        }
        let token = token(namespace, agent).await?;
        Ok(Self { name: agent.to_owned(), version: found.resource_version(), secrets, token })
    }

    /// # Errors
    /// Anything has changed, or the relay, in the same namespace, refuses the key.
    pub(crate) async fn ensure_unharmed(&self, namespace: &TestNamespace) -> anyhow::Result<()> {
        self.ensure_unharmed_at(namespace, namespace).await
    }

    /// As [`Self::ensure_unharmed`], with a relay in the namespace `relay`.
    ///
    /// # Errors
    /// Anything has changed, or the relay refuses the key.
    pub(crate) async fn ensure_unharmed_at(
        &self,
        namespace: &TestNamespace,
        relay: &TestNamespace,
    ) -> anyhow::Result<()> {
        let now = Self::read(namespace, &self.name).await?;
        let versions = |state: &Self| format!("{:?} {:?}", state.version, state.secrets);
        ensure!(now == *self, "{} has changed: {} became {}", self.name, versions(self), versions(&now));
        let found = answer(relay, &self.token).await?;
        ensure!(found == ACCEPTED, "the relay answers the key of {} with {found}", self.name);
        Ok(())
    }
}

/// The API key in the Agent's Secret.
///
/// # Errors
/// There is none.
pub(crate) async fn token(namespace: &TestNamespace, agent: &str) -> anyhow::Result<String> {
    value(&namespace.api::<Secret>().get(&name::agent_credentials(agent)).await?, "token")
}

/// The key file in the Agent's identity Secret.
///
/// # Errors
/// There is none.
pub(crate) async fn identity(namespace: &TestNamespace, agent: &str) -> anyhow::Result<String> {
    value(&namespace.api::<Secret>().get(&name::agent_identity(agent)).await?, "identity.json")
}

/// Waits until the relay answers the key with `wanted`.
///
/// # Errors
/// It has not within `limit`.
pub(crate) async fn answered(
    namespace: &TestNamespace,
    token: &str,
    wanted: &str,
    limit: Duration,
) -> anyhow::Result<()> {
    eventually(&format!("the relay answers with {wanted}"), limit, async || {
        let found = answer(namespace, token).await?;
        ensure!(found == wanted, "it answers {found}");
        Ok(())
    })
    .await
}

/// Waits until the object has the condition.
///
/// # Errors
/// The conditions that were seen last.
pub(crate) async fn condition<K>(
    namespace: &TestNamespace,
    object: &str,
    wanted: (&str, &str, &str),
) -> anyhow::Result<()>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let (about, status, reason) = wanted;
    eventually(&format!("{object} has {about}={status} ({reason})"), CHANGE_TIMEOUT, async || {
        let found = serde_json::to_value(namespace.api::<K>().get(object).await?)?;
        let conditions = found.pointer("/status/conditions").cloned().unwrap_or_default();
        let conditions = serde_json::from_value::<Option<Vec<_>>>(conditions)?.unwrap_or_default();
        ensure!(has_condition(&conditions, about, status, reason), "{conditions:?}");
        Ok(())
    })
    .await
}

/// Waits until the object is not there.
///
/// # Errors
/// It still is.
pub(crate) async fn gone<K>(namespace: &TestNamespace, object: &str) -> anyhow::Result<()>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    eventually(&format!("{object} is gone"), CHANGE_TIMEOUT, async || {
        ensure!(namespace.api::<K>().get_opt(object).await?.is_none(), "it is still there");
        Ok(())
    })
    .await
}
