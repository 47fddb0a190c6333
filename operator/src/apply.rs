//! Applies owned objects by server-side apply.
//!
//! An object that did not change costs no request, so an idle operator writes nothing. An object of
//! the same name that belongs to somebody else is never changed and never deleted. One without a
//! living owner that has our labels is adopted: it was restored or orphaned.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::caches::Caches;
use crate::error::{Error, Result};
use crate::fingerprints::{ChildKey, Fingerprint};
use crate::object_key::NamespacedName;
use crate::ownership::{self, Ownership};

mod living_owner;

/// Field manager of owned objects. Status has a field manager of its own, see
/// [`crate::status_writer`].
pub const FIELD_MANAGER: &str = "msg2agent-operator";

/// A kind that the operator applies.
pub trait Child:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned
{
}

impl<K> Child for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
{
}

/// The object whose children are applied or removed.
#[derive(Debug, Clone, Copy)]
pub struct ChildOwner<'a> {
    pub uid: &'a str,
    /// The labels that its children have.
    pub labels: &'a BTreeMap<String, String>,
}

/// Applies and deletes owned objects.
#[derive(Debug)]
pub struct Applier {
    caches: Arc<Caches>,
}

impl Applier {
    #[must_use]
    pub fn new(caches: Arc<Caches>) -> Self {
        Self { caches }
    }

    /// Applies `desired`. `owner` is the uid of the object that owns it.
    ///
    /// # Errors
    /// [`Error::NameTaken`] when an object of that name has another owner, and errors of the API
    /// server.
    pub async fn apply<K: Child>(&self, client: &Client, owner: &str, desired: &K) -> Result<()> {
        let key = ChildKey::from_object(desired);
        let content = serde_json::to_value(desired);
        let content = content.map_err(|source| Error::Serialize("an owned object", source))?;
        let (hash, owns_replicas) = (content_hash(&content), content.pointer("/spec/replicas").is_some());
        let fingerprints = &self.caches.fingerprints;
        let is_owned = fingerprints.seen(&key).is_some_and(|seen| seen.is_owned_by(owner));
        if is_owned && fingerprints.is_applied(&key, hash, owns_replicas) {
            return Ok(());
        }
        let api = Api::<K>::namespaced(client.clone(), &key.name.namespace);
        if !is_owned {
            self.check_owner(&api, &key, owner, desired).await?;
        }
        let write = fingerprints.begin_write(key.clone());
        let answer = send(&api, &key, desired).await?;
        write.finish(&answer, Some(hash));
        Ok(())
    }

    /// Refuses an object of another owner. An object that no watch has seen may be one.
    async fn check_owner<K: Child>(
        &self,
        api: &Api<K>,
        key: &ChildKey,
        owner: &str,
        desired: &K,
    ) -> Result<()> {
        let found = api.get_metadata_opt(&key.name.name).await;
        let found = found.map_err(Error::cluster(format!("read {} {}", key.kind, key.name)))?;
        let Some(found) = found else { return Ok(()) };
        let is_living = |owner: &OwnerReference| self.caches.is_living_owner(&key.name.namespace, owner);
        match ownership::of_object(&found.metadata, owner, desired.labels(), is_living) {
            Ownership::Ours => Ok(()),
            Ownership::Orphan => {
                tracing::info!(
                    object.kind = &*key.kind,
                    object.name = %key.name,
                    "adopting an object without a living owner"
                );
                Ok(())
            }
            Ownership::Foreign => {
                Err(Error::NameTaken { kind: key.kind.to_string(), name: key.name.to_string() })
            }
        }
    }

    /// Deletes an object that is no longer desired, if `owner` has it, or no living owner has it
    /// and it has the labels of `owner`.
    ///
    /// # Errors
    /// Errors of the API server.
    pub async fn remove<K: Child>(
        &self,
        client: &Client,
        owner: ChildOwner<'_>,
        name: &NamespacedName,
    ) -> Result<()> {
        let key = ChildKey::new::<K>(name.clone());
        let fingerprints = &self.caches.fingerprints;
        let Some(seen) = fingerprints.seen(&key) else { return Ok(()) };
        let api = Api::<K>::namespaced(client.clone(), &name.namespace);
        let params = match deletion(&seen, owner.uid) {
            Some(params) => params,
            None => match self.abandoned(client, &api, &key, owner).await? {
                Some(params) => params,
                None => return Ok(()),
            },
        };
        match api.delete(&name.name, &params).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            other => drop(other.map_err(Error::cluster(format!("delete {} {name}", key.kind)))?),
        }
        fingerprints.removed(&key);
        Ok(())
    }

    /// How to delete an object that nobody owns. `None` if somebody may own it.
    async fn abandoned<K: Child>(
        &self,
        client: &Client,
        api: &Api<K>,
        key: &ChildKey,
        owner: ChildOwner<'_>,
    ) -> Result<Option<DeleteParams>> {
        let namespace = &key.name.namespace;
        let found = api.get_metadata_opt(&key.name.name).await;
        let found = found.map_err(Error::cluster(format!("read {} {}", key.kind, key.name)))?;
        let Some(found) = found else { return Ok(None) };
        let is_living = |reference: &OwnerReference| self.caches.is_living_owner(namespace, reference);
        let ownership = ownership::of_object(&found.metadata, owner.uid, owner.labels, is_living);
        if ownership == Ownership::Foreign || living_owner::is_any(client, namespace, &found.metadata).await?
        {
            return Ok(None);
        }
        tracing::info!(
            object.kind = &*key.kind,
            object.name = %key.name,
            "deleting an object that is not wanted and has no living owner"
        );
        let same_object = Preconditions {
            uid: found.metadata.uid.clone(),
            resource_version: found.metadata.resource_version.clone(),
        };
        Ok(Some(DeleteParams { preconditions: Some(same_object), ..DeleteParams::background() }))
    }

    /// Applies `desired`, or removes the object called `name` when nothing is desired.
    ///
    /// # Errors
    /// As [`Applier::apply`] and [`Applier::remove`].
    pub async fn apply_or_remove<K: Child>(
        &self,
        client: &Client,
        owner: ChildOwner<'_>,
        name: &NamespacedName,
        desired: Option<&K>,
    ) -> Result<()> {
        match desired {
            Some(desired) => self.apply(client, owner.uid, desired).await,
            None => self.remove::<K>(client, owner, name).await,
        }
    }

    /// Whether an owned object exists, as far as the watches saw it or this process applied it.
    #[must_use]
    pub fn exists<K: Child>(&self, name: &NamespacedName) -> bool {
        self.caches.fingerprints.exists(&ChildKey::new::<K>(name.clone()))
    }
}

/// How to delete an object that a watch saw. `None` if it has another owner.
fn deletion(seen: &Fingerprint, owner: &str) -> Option<DeleteParams> {
    if !seen.is_owned_by(owner) {
        return None;
    }
    let same_object = Preconditions { uid: Some(seen.uid.to_string()), resource_version: None };
    Some(DeleteParams { preconditions: Some(same_object), ..DeleteParams::background() })
}

/// Applies without force first, so that a conflicting field manager is logged. Then forces, because
/// the fields belong to the operator.
async fn send<K: Child>(api: &Api<K>, key: &ChildKey, desired: &K) -> Result<K> {
    let params = PatchParams::apply(FIELD_MANAGER);
    let patch = Patch::Apply(desired);
    let sent = match api.patch(&key.name.name, &params, &patch).await {
        Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "Conflict" => {
            tracing::warn!(
                object.kind = &*key.kind,
                object.name = %key.name,
                conflict = %status.message,
                "another field manager changed fields of the operator; overwriting them"
            );
            api.patch(&key.name.name, &params.force(), &patch).await
        }
        other => other,
    };
    let sent = match sent {
        Err(kube::Error::Api(status)) if status.code == 422 => match replace_lists(api, key, desired).await {
            Ok(replaced) => Ok(replaced),
            // The object as it should be is refused, too, or is not there. The first answer says
            // why.
            Err(_) => Err(kube::Error::Api(status)),
        },
        other => other,
    };
    sent.map_err(Error::cluster(format!("apply {} {}", key.kind, key.name)))
}

/// Puts an object right in which somebody changed the key of an entry of a list, such as the port
/// of a Service: an apply adds the operator's entry beside the changed one, which the API server
/// refuses. A merge replaces lists whole.
async fn replace_lists<K: Child>(
    api: &Api<K>,
    key: &ChildKey,
    desired: &K,
) -> std::result::Result<K, kube::Error> {
    let merge = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    api.patch(&key.name.name, &merge, &Patch::Merge(desired)).await?;
    let forced = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&key.name.name, &forced, &Patch::Apply(desired)).await
}

fn content_hash(content: &serde_json::Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
