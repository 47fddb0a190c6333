//! Asks the API server whether an owner of an object exists, before the object is deleted because
//! it has none. A cache may be older than the owner.

use crds::{Agent, Relay, Tenant};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::object_key::Kind;

/// Whether an owner that the metadata names exists. An owner of a kind that the operator does not
/// reconcile counts as existing.
///
/// # Errors
/// Errors of the API server.
pub(super) async fn is_any(client: &Client, namespace: &str, metadata: &ObjectMeta) -> Result<bool> {
    for owner in metadata.owner_references.iter().flatten() {
        let exists = match Kind::of_reference(&owner.api_version, &owner.kind) {
            None => true,
            Some(Kind::Relay) => exists::<Relay>(client, namespace, owner).await?,
            Some(Kind::Tenant) => exists::<Tenant>(client, namespace, owner).await?,
            Some(Kind::Agent) => exists::<Agent>(client, namespace, owner).await?,
        };
        if exists {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn exists<K>(client: &Client, namespace: &str, owner: &OwnerReference) -> Result<bool>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let found = Api::<K>::namespaced(client.clone(), namespace).get_metadata_opt(&owner.name).await;
    let found = found.map_err(Error::cluster(format!("read {} {namespace}/{}", owner.kind, owner.name)))?;
    Ok(found.is_some_and(|found| found.uid().as_ref() == Some(&owner.uid)))
}
