//! Applies, deletes and lists the objects of the benchmark, and owns the namespace around them.

use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use super::objects::Kind;

/// Field manager of the applied objects: what a person's `kubectl apply --server-side` would be.
const MANAGER: &str = "opbench";

/// Time for all objects and their finalizers to go.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(600);

/// The way to a Relay's pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayAccess {
    /// Through the API server, from anywhere.
    PortForward,
    /// By the pod's address, from inside the cluster's network. Survives the API server.
    PodAddress,
}

pub struct BenchCluster {
    pub client: Client,
    pub namespace: String,
    pub access: RelayAccess,
}

impl BenchCluster {
    #[must_use]
    pub const fn new(client: Client, namespace: String, access: RelayAccess) -> Self {
        Self { client, namespace, access }
    }

    #[must_use]
    pub fn objects(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource())
    }

    #[must_use]
    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// # Errors
    /// The namespace exists: its objects would be counted, and deleted at the end.
    pub async fn create_namespace(&self) -> anyhow::Result<()> {
        let namespace = serde_json::from_value(json!({"metadata": {"name": self.namespace}}))?;
        let api = Api::<Namespace>::all(self.client.clone());
        api.create(&PostParams::default(), &namespace)
            .await
            .with_context(|| format!("create namespace {}", self.namespace))?;
        Ok(())
    }

    /// Returns when the namespace is gone, the operator's finalizers included.
    ///
    /// # Errors
    /// An error of the API server, or a namespace that is not deleted in time.
    pub async fn remove_namespace(&self) -> anyhow::Result<()> {
        let api = Api::<Namespace>::all(self.client.clone());
        let uid = api.get(&self.namespace).await.context("find the namespace")?.uid().unwrap_or_default();
        api.delete(&self.namespace, &DeleteParams::default()).await.context("delete the namespace")?;
        let gone = conditions::is_deleted(&uid);
        let waited = tokio::time::timeout(REMOVAL_TIMEOUT, await_condition(api, &self.namespace, gone)).await;
        waited.with_context(|| format!("namespace {} was not deleted in time", self.namespace))??;
        Ok(())
    }

    /// Server-side apply.
    ///
    /// # Errors
    /// An error of the API server.
    pub async fn apply(&self, kind: Kind, manifest: &Value) -> anyhow::Result<()> {
        let name =
            manifest.pointer("/metadata/name").and_then(Value::as_str).context("a manifest without name")?;
        self.objects(kind)
            .patch(name, &PatchParams::apply(MANAGER), &Patch::Apply(manifest))
            .await
            .with_context(|| format!("apply {kind:?} {name}"))?;
        Ok(())
    }

    /// # Errors
    /// An error of the API server.
    pub async fn delete(&self, kind: Kind, name: &str) -> anyhow::Result<()> {
        let deleted = self.objects(kind).delete(name, &DeleteParams::default()).await;
        deleted.with_context(|| format!("delete {kind:?} {name}"))?;
        Ok(())
    }

    /// A Secret of the namespace.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn secret(&self, name: &str) -> anyhow::Result<Secret> {
        let secrets = Api::<Secret>::namespaced(self.client.clone(), &self.namespace);
        secrets.get(name).await.with_context(|| format!("read Secret {name}"))
    }

    /// The text of a page of the API server, or of what its proxy reaches.
    ///
    /// # Errors
    /// No answer, or one of an error.
    pub async fn page(&self, path: &str) -> anyhow::Result<String> {
        let request = http::Request::get(path).body(vec![])?;
        self.client.request_text(request).await.with_context(|| format!("read {path}"))
    }

    /// The running pods with these labels.
    ///
    /// # Errors
    /// An error of the API server.
    pub async fn running_pods(&self, namespace: &str, labels: &str) -> anyhow::Result<Vec<Pod>> {
        let pods = Api::<Pod>::namespaced(self.client.clone(), namespace);
        let mut list = pods.list(&ListParams::default().labels(labels)).await.context("list pods")?.items;
        list.retain(|pod| {
            pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running")
                && pod.metadata.deletion_timestamp.is_none()
        });
        Ok(list)
    }
}
