//! Fills the stores and fingerprints of owned objects, namespaces and endpoint slices.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::enqueuer::Enqueuer;
use super::prune::{PrunableWorkload, prune};
use super::watch_source::Decoded;
use super::watch_task::WatchSink;
use crate::fingerprints::{SeenChild, labelled_owner};
use crate::object_key::NamespacedName;
use crate::queue::Priority;
use crate::watch_scope::WatchScope;
use crate::watch_store::{KeptObject, KeptObjects, WatchStore};

/// An object of a list, as a store keeps it.
type Named<K> = (NamespacedName, KeptObject<K>);

/// Keeps only the fingerprints of owned objects.
pub(super) struct OwnedSink {
    pub scope: WatchScope,
    pub enqueuer: Enqueuer,
}

impl<K: Resource<DynamicType = ()> + Serialize> WatchSink<K> for OwnedSink {
    type Listed = Option<SeenChild>;

    fn read(&self, object: Decoded<K>) -> Option<SeenChild> {
        decoded(object).as_ref().map(SeenChild::from_object)
    }

    fn listed(&mut self, objects: Vec<Option<SeenChild>>) {
        let children = objects.into_iter().flatten().collect();
        self.enqueuer.caches.fingerprints.saw_list::<K>(&self.scope, children);
    }

    fn applied(&mut self, object: Decoded<K>) {
        decoded(object).iter().for_each(|object| self.enqueuer.caches.fingerprints.saw(object));
    }

    fn deleted(&mut self, object: Decoded<K>) {
        decoded(object).iter().for_each(|object| self.enqueuer.caches.fingerprints.saw_deletion(object));
    }
}

/// An owned object of a built-in kind. One that cannot be decoded keeps its former state.
fn decoded<K>(object: Decoded<K>) -> Option<K> {
    object
        .inspect_err(|invalid| {
            let name = invalid.metadata.name.as_deref().unwrap_or_default();
            tracing::error!(object.name = name, error = invalid.error, "an owned object cannot be decoded");
        })
        .ok()
}

/// Keeps owned workloads, whose status the owner's status reports.
pub(super) struct WorkloadSink<K> {
    pub store: WatchStore<K>,
    pub scope: WatchScope,
    pub enqueuer: Enqueuer,
}

impl<K: Resource<DynamicType = ()> + PrunableWorkload + Serialize + DeserializeOwned + Send + Sync + 'static>
    WatchSink<K> for WorkloadSink<K>
{
    type Listed = Option<(SeenChild, Named<K>)>;

    fn read(&self, object: Decoded<K>) -> Self::Listed {
        let object = decoded(object)?;
        Some((SeenChild::from_object(&object), named(&self.store, pruned(object))))
    }

    fn listed(&mut self, objects: Vec<Self::Listed>) {
        let (children, objects): (Vec<_>, KeptObjects<K>) = objects.into_iter().flatten().unzip();
        self.enqueuer.caches.fingerprints.saw_list::<K>(&self.scope, children);
        let former = self.store.replace(&self.scope, objects);
        let present = self.store.all();
        for object in present {
            self.report_status(former.get(&NamespacedName::from_object(&*object)).as_deref(), &object);
        }
    }

    fn applied(&mut self, object: Decoded<K>) {
        let Some(object) = decoded(object) else { return };
        self.enqueuer.caches.fingerprints.saw(&object);
        let object = Arc::new(pruned(object));
        let former = self.store.insert(NamespacedName::from_object(&*object), Arc::clone(&object));
        self.report_status(former.as_deref(), &object);
    }

    fn deleted(&mut self, object: Decoded<K>) {
        let Some(object) = decoded(object) else { return };
        self.store.remove(&NamespacedName::from_object(&object));
        self.enqueuer.caches.fingerprints.saw_deletion(&object);
    }
}

impl<K: Resource<DynamicType = ()> + PrunableWorkload> WorkloadSink<K> {
    fn report_status(&self, former: Option<&K>, object: &K) {
        if !former.is_some_and(|former| former.same_status(object)) {
            enqueue_owner(&self.enqueuer, object);
        }
    }
}

fn enqueue_owner(enqueuer: &Enqueuer, object: &impl Resource) {
    labelled_owner(object).into_iter().for_each(|owner| enqueuer.queue.add(owner, Priority::Normal));
}

fn pruned<K: Resource + PrunableWorkload>(mut object: K) -> K {
    prune(&mut object);
    object.prune_template();
    object
}

/// An object of a list, as `store` keeps it.
fn named<K: Resource + Serialize + DeserializeOwned>(store: &WatchStore<K>, object: K) -> Named<K> {
    let name = NamespacedName::from_object(&object);
    let kept = store.keep(&name, Arc::new(object));
    (name, kept)
}

/// Keeps the endpoint slices of relays. A relay pod that became ready must be written to.
pub(super) struct EndpointSliceSink {
    pub store: WatchStore<EndpointSlice>,
    pub scope: WatchScope,
    pub enqueuer: Enqueuer,
}

impl WatchSink<EndpointSlice> for EndpointSliceSink {
    type Listed = Option<Named<EndpointSlice>>;

    fn read(&self, slice: Decoded<EndpointSlice>) -> Self::Listed {
        let mut slice = decoded(slice)?;
        prune(&mut slice);
        Some(named(&self.store, slice))
    }

    fn listed(&mut self, slices: Vec<Self::Listed>) {
        let present = slices.into_iter().flatten().collect();
        let former = self.store.replace(&self.scope, present);
        for slice in self.store.all() {
            if former.get(&NamespacedName::from_object(&*slice)).as_ref() != Some(&slice) {
                enqueue_owner(&self.enqueuer, &*slice);
            }
        }
        let is_gone = |name: &NamespacedName| self.store.get(name).is_none();
        former.iter().filter(|(name, _)| is_gone(name)).for_each(|(_, slice)| {
            enqueue_owner(&self.enqueuer, &*slice);
        });
    }

    fn applied(&mut self, slice: Decoded<EndpointSlice>) {
        let Some(mut slice) = decoded(slice) else { return };
        prune(&mut slice);
        enqueue_owner(&self.enqueuer, &slice);
        self.store.insert(NamespacedName::from_object(&slice), Arc::new(slice));
    }

    fn deleted(&mut self, slice: Decoded<EndpointSlice>) {
        let Some(slice) = decoded(slice) else { return };
        self.store.remove(&NamespacedName::from_object(&slice));
        enqueue_owner(&self.enqueuer, &slice);
    }
}

/// Keeps the metadata of namespaces. Their labels may grant or take consent.
pub(super) struct NamespaceSink {
    pub store: WatchStore<PartialObjectMeta<Namespace>>,
    pub enqueuer: Enqueuer,
}

impl WatchSink<PartialObjectMeta<Namespace>> for NamespaceSink {
    type Listed = Option<Named<PartialObjectMeta<Namespace>>>;

    fn read(&self, namespace: Decoded<PartialObjectMeta<Namespace>>) -> Self::Listed {
        let mut namespace = decoded(namespace)?;
        prune(&mut namespace);
        Some(named(&self.store, namespace))
    }

    fn listed(&mut self, namespaces: Vec<Self::Listed>) {
        let present = namespaces.into_iter().flatten().collect();
        let former = self.store.replace(&WatchScope::Cluster, present);
        for name in self.store.names() {
            self.compare(&name, former.get(&name).as_deref());
        }
        former.iter().for_each(|(name, former)| self.compare(name, Some(&former)));
    }

    fn applied(&mut self, namespace: Decoded<PartialObjectMeta<Namespace>>) {
        let Some(mut namespace) = decoded(namespace) else { return };
        prune(&mut namespace);
        let name = NamespacedName::from_object(&namespace);
        let former = self.store.insert(name.clone(), Arc::new(namespace));
        self.compare(&name, former.as_deref());
    }

    fn deleted(&mut self, namespace: Decoded<PartialObjectMeta<Namespace>>) {
        let Some(namespace) = decoded(namespace) else { return };
        let name = NamespacedName::from_object(&namespace);
        let former = self.store.remove(&name);
        self.compare(&name, former.as_deref());
    }
}

impl NamespaceSink {
    /// Enqueues the objects whose consent depends on what changed.
    fn compare(&self, name: &NamespacedName, former: Option<&PartialObjectMeta<Namespace>>) {
        let present = self.store.get(name);
        let present = present.as_deref();
        if labels(former) != labels(present) {
            self.enqueuer.enqueue_namespace(&name.name, labels(former), labels(present));
        }
        let is_terminating = |namespace: Option<&PartialObjectMeta<Namespace>>| {
            namespace.is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_some())
        };
        if is_terminating(present) && !is_terminating(former) {
            self.enqueuer.enqueue_contents(&name.name);
        }
    }
}

fn labels(namespace: Option<&PartialObjectMeta<Namespace>>) -> Option<&BTreeMap<String, String>> {
    namespace.map(|namespace| namespace.labels())
}

#[cfg(test)]
mod tests;
