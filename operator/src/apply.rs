//! Server-side apply of owned objects: our field manager, nothing sent when nothing changed, never over an object that is
//! somebody else's.

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
use crate::key::Name;

mod mark;

use mark::Mark;

/// Field manager of owned objects; status has its own, see [`crate::status`].
pub const FIELD_MANAGER: &str = "msg2agent-operator";

/// An object the operator applies.
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

/// Address of an owned object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChildKey {
    kind: String,
    name: Name,
}

impl ChildKey {
    #[must_use]
    pub fn of<K: Resource<DynamicType = ()>>(object: &K) -> Self {
        Self { kind: K::kind(&()).into_owned(), name: Name::of(object) }
    }
}

/// What the watches saw last of each owned object.
#[derive(Debug, Default)]
pub struct Marks(Mutex<HashMap<ChildKey, Mark>>);

impl Marks {
    /// Returns whether it is another state than the last one seen.
    pub fn seen<K: Resource<DynamicType = ()> + Serialize>(&self, object: &K) -> bool {
        let mark = Mark::of(object);
        self.with(|marks| marks.insert(ChildKey::of(object), mark.clone())) != Some(mark)
    }

    pub fn gone(&self, key: &ChildKey) {
        self.with(|marks| marks.remove(key));
    }

    fn find(&self, key: &ChildKey) -> Option<Mark> {
        self.with(|marks| marks.get(key).cloned())
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<ChildKey, Mark>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Applies owned objects; remembers what it applied, so that an unchanged object costs nothing.
#[derive(Debug)]
pub struct Applier {
    marks: Arc<Marks>,
    applied: Mutex<HashMap<ChildKey, (u64, Mark)>>,
}

impl Applier {
    #[must_use]
    pub fn new(marks: Arc<Marks>) -> Self {
        Self { marks, applied: Mutex::default() }
    }

    /// Brings `desired` to the cluster. `owner` is the uid of the object it belongs to.
    ///
    /// # Errors
    /// [`Error::NameTaken`] when an object of that name belongs to somebody else; otherwise what the API server says.
    pub async fn apply<K: Child>(&self, client: &Client, owner: &str, desired: &K) -> Result<()> {
        let key = ChildKey::of(desired);
        let content = serde_json::to_value(desired);
        let content = content.map_err(|source| Error::Serialize("an owned object", source))?;
        let (hash, owns_replicas) = (content_hash(&content), content.pointer("/spec/replicas").is_some());
        let seen = self.marks.find(&key);
        if let (Some(seen), Some((applied, mark))) = (&seen, self.find(&key))
            && applied == hash
            && mark.is_same(seen, owns_replicas)
        {
            return Ok(());
        }
        let api = Api::<K>::namespaced(client.clone(), &key.name.namespace);
        if seen.is_none() {
            check_owner(&api, &key, owner).await?;
        }
        let applied = send(&api, &key, desired).await?;
        self.with(|map| map.insert(key, (hash, Mark::of(&applied))));
        Ok(())
    }

    /// Deletes an owned object that is no longer desired; nothing happens when there is none.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn remove<K: Child>(&self, client: &Client, name: &Name) -> Result<()> {
        let key = ChildKey { kind: K::kind(&()).into_owned(), name: name.clone() };
        let Some(seen) = self.marks.find(&key) else { return Ok(()) };
        let only_it = Preconditions { uid: Some(seen.uid), resource_version: None };
        let params = DeleteParams { preconditions: Some(only_it), ..DeleteParams::background() };
        let deleted = Api::<K>::namespaced(client.clone(), &name.namespace).delete(&name.name, &params).await;
        match deleted {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            other => drop(other.map_err(Error::cluster(format!("delete {} {name}", key.kind)))?),
        }
        self.with(|map| map.remove(&key));
        Ok(())
    }

    /// Whether an object of ours is there, as far as we have seen or made it.
    #[must_use]
    pub fn knows<K: Child>(&self, name: &Name) -> bool {
        let key = ChildKey { kind: K::kind(&()).into_owned(), name: name.clone() };
        self.find(&key).is_some() || self.marks.find(&key).is_some()
    }

    fn find(&self, key: &ChildKey) -> Option<(u64, Mark)> {
        self.with(|map| map.get(key).cloned())
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<ChildKey, (u64, Mark)>) -> T) -> T {
        work(&mut self.applied.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An object that no watch of ours has seen may be somebody else's.
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

/// First without force, so that somebody else's hand on our fields is seen; then with it, because they are ours.
async fn send<K: Child>(api: &Api<K>, key: &ChildKey, desired: &K) -> Result<K> {
    let params = PatchParams::apply(FIELD_MANAGER);
    let patch = Patch::Apply(desired);
    let sent = api.patch(&key.name.name, &params, &patch).await;
    let sent = match sent {
        Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "Conflict" => {
            tracing::warn!(object.kind = key.kind, object.name = %key.name, conflict = %status.message, "somebody else set our fields; they are set back");
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
