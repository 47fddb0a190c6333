//! Fills the store of a kind that the operator reconciles, and enqueues what a change concerns.

use std::collections::HashMap;
use std::sync::Arc;

use kube::ResourceExt as _;

use super::enqueuer::Enqueuer;
use super::find_dependents::FindDependents;
use super::prune::prune_managed_fields;
use super::watch_source::{Decoded, InvalidObject};
use super::watch_task::WatchSink;
use crate::deleted_objects::DeletedObjects;
use crate::index::KindIndex;
use crate::metrics::Metrics;
use crate::object_key::{NamespacedName, ObjectKey};
use crate::watch_scope::WatchScope;
use crate::watch_store::{KeptObject, KeptObjects, WatchStore};

/// The store of one kind, and who is told about its changes.
pub(super) struct ReconciledSink<K> {
    pub store: WatchStore<K>,
    pub scope: WatchScope,
    pub enqueuer: Enqueuer,
    pub deleted: Arc<DeletedObjects>,
    pub metrics: Metrics,
}

/// An object of a list, as the store keeps it.
pub(super) enum ListedObject<K> {
    Known(NamespacedName, KeptObject<K>),
    /// It cannot be decoded.
    Unknown(Box<InvalidObject>),
}

impl<K: FindDependents + Send + Sync + 'static> WatchSink<K> for ReconciledSink<K> {
    type Listed = ListedObject<K>;

    fn read(&self, object: Decoded<K>) -> ListedObject<K> {
        match object {
            Ok(mut object) => {
                prune_managed_fields(&mut object);
                let name = NamespacedName::from_object(&object);
                let kept = self.store.keep(&name, Arc::new(object));
                ListedObject::Known(name, kept)
            }
            Err(invalid) => ListedObject::Unknown(invalid),
        }
    }

    /// Replaces the store and the index at once, then compares with what was there before. Objects
    /// that are gone were deleted while nobody watched.
    ///
    /// Objects are decoded one by one: all ten thousand at once would be 40 MiB.
    fn listed(&mut self, objects: Vec<ListedObject<K>>) {
        let (objects, invalid) = self.sort(objects);
        let caches = Arc::clone(&self.enqueuer.caches);
        // Indexed before it is stored, so that whatever a reader finds in the store is indexed.
        for (name, object) in objects.iter().filter(|(name, object)| !self.store.holds(name, object)) {
            object.object().iter().for_each(|object| caches.index.insert(name, &**object));
        }
        let former = self.store.replace(&self.scope, objects.clone());
        let stored = self.store.names().into_iter();
        let entries = stored.filter_map(|name| self.store.get(&name).map(|object| (name, object)));
        caches.index.replace(K::KIND, KindIndex::build(entries));
        let unknown_before = caches.undecodable.replace(K::KIND, &self.scope, invalid);
        self.count_undecodable();
        for (name, gone) in former.missing_in(&objects) {
            self.tell_deleted(name, &gone);
        }
        for (name, object) in &objects {
            let was_known = !unknown_before.contains_key(&name.clone().key(K::KIND));
            if was_known && former.is_same(name, object) {
                continue;
            }
            let (Some(object), former) = (object.object(), former.get(name)) else { continue };
            self.record_replaced(name, former.as_deref(), &object);
            self.enqueuer.enqueue_change(name, former.as_deref().filter(|_| was_known), Some(&*object));
        }
    }

    fn needs_names(&self) -> bool {
        self.store.names().iter().any(|name| self.scope.contains(name))
    }

    /// An object that was deleted and created again is told by the complete list.
    fn drop_absent(&mut self, is_present: impl Fn(&NamespacedName) -> bool) -> Vec<NamespacedName> {
        let mut absent = self.store.names();
        absent.retain(|name| self.scope.contains(name) && !is_present(name));
        for name in &absent {
            if let Some(gone) = self.forget(name) {
                self.tell_deleted(name, &gone);
            }
        }
        absent
    }

    fn applied(&mut self, object: Decoded<K>) {
        match object {
            Ok(object) => self.apply(object),
            Err(invalid) => self.keep_unknown(&invalid),
        }
    }

    fn deleted(&mut self, object: Decoded<K>) {
        let (name, uid) = match &object {
            Ok(object) => (NamespacedName::from_object(object), object.uid()),
            Err(invalid) => (name_of(invalid), invalid.metadata.uid.clone()),
        };
        let former = self.forget(&name);
        self.deleted.record(name.clone().key(K::KIND), uid.unwrap_or_default());
        match former.as_deref().or(object.as_ref().ok()) {
            Some(gone) => self.enqueuer.enqueue_change(&name, Some(gone), None),
            None => self.enqueuer.enqueue_change::<K>(&name, None, None),
        }
    }
}

impl<K: FindDependents + Send + Sync + 'static> ReconciledSink<K> {
    fn apply(&self, mut object: K) {
        prune_managed_fields(&mut object);
        let (name, object) = (NamespacedName::from_object(&object), Arc::new(object));
        self.enqueuer.caches.index.insert(&name, &*object);
        let former = self.store.insert(name.clone(), Arc::clone(&object));
        // What could not be decoded before is compared with nothing: all may depend on it.
        let was_unknown = self.enqueuer.caches.undecodable.remove(&name.clone().key(K::KIND));
        self.count_undecodable();
        self.record_replaced(&name, former.as_deref(), &object);
        self.enqueuer.enqueue_change(&name, former.as_deref().filter(|_| !was_unknown), Some(&*object));
    }

    /// Removes an object from the store, and from what is derived of it.
    fn forget(&self, name: &NamespacedName) -> Option<Arc<K>> {
        let former = self.store.remove(name);
        self.enqueuer.caches.index.remove(K::KIND, name);
        self.enqueuer.caches.undecodable.remove(&name.clone().key(K::KIND));
        self.count_undecodable();
        former
    }

    /// Separates the objects from those that cannot be decoded. Of these the last known version is
    /// kept.
    fn sort(&self, objects: Vec<ListedObject<K>>) -> (KeptObjects<K>, HashMap<ObjectKey, String>) {
        let (mut found, mut unknown) = (KeptObjects::new(), HashMap::new());
        for object in objects {
            match object {
                ListedObject::Known(name, object) => drop(found.insert(name, object)),
                ListedObject::Unknown(invalid) => {
                    let name = name_of(&invalid);
                    self.tell_undecodable(&name, &invalid);
                    found.extend(self.store.kept(&name).map(|former| (name.clone(), former)));
                    unknown.insert(name.key(K::KIND), invalid.metadata.uid.unwrap_or_default());
                }
            }
        }
        (found, unknown)
    }

    /// Nothing is decided about this object until it can be decoded again.
    fn keep_unknown(&self, invalid: &InvalidObject) {
        let name = name_of(invalid);
        self.tell_undecodable(&name, invalid);
        let uid = invalid.metadata.uid.clone().unwrap_or_default();
        self.enqueuer.caches.undecodable.insert(name.key(K::KIND), uid);
        self.count_undecodable();
    }

    /// Records the object that had the name before, if it was another one.
    fn record_replaced(&self, name: &NamespacedName, former: Option<&K>, object: &K) {
        let former_uid = former.and_then(|former| former.meta().uid.clone());
        if let Some(uid) = former_uid.filter(|uid| Some(uid) != object.meta().uid.as_ref()) {
            self.deleted.record(name.clone().key(K::KIND), uid);
        }
    }

    fn tell_deleted(&self, name: &NamespacedName, gone: &K) {
        let uid = gone.meta().uid.clone().unwrap_or_default();
        self.deleted.record(name.clone().key(K::KIND), uid);
        self.enqueuer.enqueue_change(name, Some(gone), None);
    }

    fn tell_undecodable(&self, name: &NamespacedName, invalid: &InvalidObject) {
        tracing::error!(
            object.kind = K::KIND.as_str(),
            object.name = %name,
            error = invalid.error,
            "an object cannot be decoded; it and what depends on it stay as they are"
        );
    }

    fn count_undecodable(&self) {
        let count = self.enqueuer.caches.undecodable.count();
        self.metrics.undecodable_objects.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

fn name_of(invalid: &InvalidObject) -> NamespacedName {
    let metadata = &invalid.metadata;
    NamespacedName::new(
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests;
