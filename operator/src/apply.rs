//! Applies owned objects by server-side apply.
//!
//! An object that did not change costs no request, so an idle operator writes nothing. An object of
//! the same name that belongs to somebody else is never changed.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::NamespaceResourceScope;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::object_key::NamespacedName;

mod fingerprint;

use fingerprint::Fingerprint;

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

/// Kind, namespace and name of an owned object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChildKey {
    kind: String,
    name: NamespacedName,
}

impl ChildKey {
    #[must_use]
    pub fn from_object<K: Resource<DynamicType = ()>>(object: &K) -> Self {
        Self::new::<K>(NamespacedName::from_object(object))
    }

    fn new<K: Resource<DynamicType = ()>>(name: NamespacedName) -> Self {
        Self { kind: K::kind(&()).into_owned(), name }
    }
}

/// The fingerprint of each owned object, as the watches last saw it.
#[derive(Debug, Default)]
pub struct Fingerprints(Mutex<HashMap<ChildKey, Fingerprint>>);

impl Fingerprints {
    /// Remembers the object's fingerprint. Returns whether it changed.
    pub fn update<K: Resource<DynamicType = ()> + Serialize>(&self, object: &K) -> bool {
        let fingerprint = Fingerprint::from_object(object);
        let before = self.with(|map| map.insert(ChildKey::from_object(object), fingerprint.clone()));
        before != Some(fingerprint)
    }

    pub fn forget(&self, key: &ChildKey) {
        self.with(|map| map.remove(key));
    }

    fn find(&self, key: &ChildKey) -> Option<Fingerprint> {
        self.with(|map| map.get(key).cloned())
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<ChildKey, Fingerprint>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Applies owned objects and remembers what it applied.
#[derive(Debug)]
pub struct Applier {
    seen: Arc<Fingerprints>,
    /// The hash of the applied content, and the fingerprint of the object that the API server
    /// returned.
    applied: Mutex<HashMap<ChildKey, (u64, Fingerprint)>>,
}

impl Applier {
    #[must_use]
    pub fn new(seen: Arc<Fingerprints>) -> Self {
        Self { seen, applied: Mutex::default() }
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
        let seen = self.seen.find(&key);
        if let (Some(seen), Some((applied, fingerprint))) = (&seen, self.find(&key))
            && applied == hash
            && fingerprint.matches(seen, owns_replicas)
        {
            return Ok(());
        }
        let api = Api::<K>::namespaced(client.clone(), &key.name.namespace);
        if seen.is_none() {
            check_owner(&api, &key, owner).await?;
        }
        let applied = send(&api, &key, desired).await?;
        self.with(|map| map.insert(key, (hash, Fingerprint::from_object(&applied))));
        Ok(())
    }

    /// Deletes an owned object that is no longer desired. Does nothing when there is none.
    ///
    /// # Errors
    /// Errors of the API server.
    pub async fn remove<K: Child>(&self, client: &Client, name: &NamespacedName) -> Result<()> {
        let key = ChildKey::new::<K>(name.clone());
        let Some(seen) = self.seen.find(&key) else { return Ok(()) };
        let same_object = Preconditions { uid: Some(seen.uid), resource_version: None };
        let params = DeleteParams { preconditions: Some(same_object), ..DeleteParams::background() };
        let deleted = Api::<K>::namespaced(client.clone(), &name.namespace).delete(&name.name, &params).await;
        match deleted {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            other => drop(other.map_err(Error::cluster(format!("delete {} {name}", key.kind)))?),
        }
        self.with(|map| map.remove(&key));
        Ok(())
    }

    /// Applies `desired`, or removes the object called `name` when nothing is desired.
    ///
    /// # Errors
    /// As [`Applier::apply`] and [`Applier::remove`].
    pub async fn apply_or_remove<K: Child>(
        &self,
        client: &Client,
        owner: &str,
        name: &NamespacedName,
        desired: Option<&K>,
    ) -> Result<()> {
        match desired {
            Some(desired) => self.apply(client, owner, desired).await,
            None => self.remove::<K>(client, name).await,
        }
    }

    /// Whether an owned object exists, as far as the watches saw it or this process applied it.
    #[must_use]
    pub fn exists<K: Child>(&self, name: &NamespacedName) -> bool {
        let key = ChildKey::new::<K>(name.clone());
        self.find(&key).is_some() || self.seen.find(&key).is_some()
    }

    fn find(&self, key: &ChildKey) -> Option<(u64, Fingerprint)> {
        self.with(|map| map.get(key).cloned())
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<ChildKey, (u64, Fingerprint)>) -> T) -> T {
        work(&mut self.applied.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Refuses an object of another owner. An object that no watch has seen may be one.
async fn check_owner<K: Child>(api: &Api<K>, key: &ChildKey, owner: &str) -> Result<()> {
    let found = api.get_metadata_opt(&key.name.name).await;
    let found = found.map_err(Error::cluster(format!("read {} {}", key.kind, key.name)))?;
    match found {
        Some(object) if !object.owner_references().iter().any(|reference| reference.uid == owner) => {
            Err(Error::NameTaken { kind: key.kind.clone(), name: key.name.to_string() })
        }
        _ => Ok(()),
    }
}

/// Applies without force first, so that a conflicting field manager is logged. Then forces, because
/// the fields belong to the operator.
async fn send<K: Child>(api: &Api<K>, key: &ChildKey, desired: &K) -> Result<K> {
    let params = PatchParams::apply(FIELD_MANAGER);
    let patch = Patch::Apply(desired);
    let sent = api.patch(&key.name.name, &params, &patch).await;
    let sent = match sent {
        Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "Conflict" => {
            tracing::warn!(
                object.kind = key.kind,
                object.name = %key.name,
                conflict = %status.message,
                "another field manager changed fields of the operator; overwriting them"
            );
            api.patch(&key.name.name, &params.force(), &patch).await
        }
        other => other,
    };
    sent.map_err(Error::cluster(format!("apply {} {}", key.kind, key.name)))
}

fn content_hash(content: &serde_json::Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.to_string().hash(&mut hasher);
    hasher.finish()
}
