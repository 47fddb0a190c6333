//! Saves the objects of a namespace as docs/backup.md says, and restores them without uids, owners
//! and status.

use anyhow::Context as _;
use crds::{Agent, Relay, Tenant};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::api::{ListParams, PostParams};
use msg2agent_tests::namespace::TestNamespace;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a backup of the API server's objects holds of one namespace.
pub(crate) struct Backup {
    relays: Vec<Value>,
    tenants: Vec<Value>,
    agents: Vec<Value>,
    secrets: Vec<Value>,
    claims: Vec<Value>,
}

impl Backup {
    /// # Errors
    /// An error of the API server.
    pub(crate) async fn take(namespace: &TestNamespace) -> anyhow::Result<Self> {
        Ok(Self {
            relays: saved::<Relay>(namespace).await?,
            tenants: saved::<Tenant>(namespace).await?,
            agents: saved::<Agent>(namespace).await?,
            secrets: saved::<Secret>(namespace).await?,
            claims: saved::<PersistentVolumeClaim>(namespace).await?,
        })
    }

    /// The names of the claims of volumes, whose files are copied apart from this.
    pub(crate) fn claims(&self) -> Vec<String> {
        let names = self.claims.iter().filter_map(|claim| claim.pointer("/metadata/name")?.as_str());
        names.map(str::to_owned).collect()
    }

    /// Creates the objects, Secrets first: an operator that finds an Agent without them would make
    /// others.
    ///
    /// # Errors
    /// One is there already.
    pub(crate) async fn restore(&self, namespace: &TestNamespace) -> anyhow::Result<()> {
        created::<Secret>(namespace, &self.secrets).await?;
        created::<Agent>(namespace, &self.agents).await?;
        created::<Tenant>(namespace, &self.tenants).await?;
        created::<Relay>(namespace, &self.relays).await
    }
}

/// The objects as YAML that can be applied elsewhere.
async fn saved<K>(namespace: &TestNamespace) -> anyhow::Result<Vec<Value>>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let mut saved = Vec::new();
    for object in namespace.api::<K>().list(&ListParams::default()).await? {
        let mut value = serde_json::to_value(object)?;
        let members = value.as_object_mut().context("an object is a map")?;
        members.remove("status");
        let metadata = members.get_mut("metadata").and_then(Value::as_object_mut).context("no metadata")?;
        metadata.retain(|name, _| ["name", "labels", "annotations"].contains(&name.as_str()));
        saved.push(value);
    }
    Ok(saved)
}

async fn created<K>(namespace: &TestNamespace, objects: &[Value]) -> anyhow::Result<()>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    for object in objects {
        let object: K = serde_json::from_value(object.clone())?;
        namespace.api::<K>().create(&PostParams::default(), &object).await.context("restore an object")?;
    }
    Ok(())
}
