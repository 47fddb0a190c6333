//! Gives each test a namespace. It is deleted when the test passes; when the test fails, its
//! contents are printed first.

mod dump;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use devtools::eventually::eventually;

/// The service account follows the namespace within milliseconds on an idle machine.
const SERVICE_ACCOUNT_TIMEOUT: Duration = Duration::from_secs(60);

/// A namespace under the restricted pod security profile.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "kube's client has no Debug")]
pub struct TestNamespace {
    pub client: Client,
    pub name: String,
}

/// Runs a test in a namespace of its own, whose name starts with `prefix` (at most 40 characters of
/// a DNS label).
pub async fn in_namespace(
    client: Client,
    prefix: &str,
    test: impl AsyncFnOnce(TestNamespace) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let namespace = TestNamespace::create(client, prefix).await?;
    let outcome = test(namespace.clone()).await;
    if outcome.is_err() {
        eprintln!("{}", dump::of(&namespace).await);
    }
    let deleted = namespace.delete().await;
    outcome.and(deleted)
}

impl TestNamespace {
    async fn create(client: Client, prefix: &str) -> anyhow::Result<Self> {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let name: String = format!("{prefix}-{unique}").chars().take(prefix.len() + 9).collect();
        let object: Namespace = serde_json::from_value(json!({
            "metadata": { "name": name, "labels": { "pod-security.kubernetes.io/enforce": "restricted" } },
        }))?;
        let namespaces = Api::<Namespace>::all(client.clone());
        namespaces.create(&PostParams::default(), &object).await.context("create the test's namespace")?;
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &name);
        let account = async || Ok(accounts.get("default").await?);
        eventually("the namespace has its service account", SERVICE_ACCOUNT_TIMEOUT, account).await?;
        Ok(Self { client, name })
    }

    /// Typed access to this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Creates one object from its JSON form.
    pub async fn create_object<K>(&self, object: serde_json::Value) -> anyhow::Result<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
    {
        let object: K = serde_json::from_value(object).context("read a test's object")?;
        let created = self.api().create(&PostParams::default(), &object).await;
        created.with_context(|| format!("create a {}", K::kind(&())))
    }

    /// Asks for its end; the cluster removes what is inside in its own time.
    async fn delete(&self) -> anyhow::Result<()> {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let deleted = namespaces.delete(&self.name, &DeleteParams::default()).await;
        ensure!(deleted.is_ok(), "delete the namespace {}: {:?}", self.name, deleted.err());
        Ok(())
    }
}
