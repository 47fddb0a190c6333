//! A store of all watched objects of one kind, which a watch fills and reconciles read.
//!
//! kube's store keeps a resourceVersion and a uid in every key, and tells nobody what a new list
//! changed. This one shares its keys, returns what it replaced, and can hold objects as JSON.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::object_key::NamespacedName;
use crate::watch_scope::WatchScope;

mod kept_object;

pub(crate) use kept_object::KeptObject;

/// The objects of one kind by name.
pub(crate) type KeptObjects<K> = BTreeMap<NamespacedName, KeptObject<K>>;

/// The watched objects of one kind. Cheap to clone; clones share the objects.
#[derive(Debug)]
pub struct WatchStore<K> {
    objects: Arc<RwLock<KeptObjects<K>>>,
    is_packed: bool,
}

/// The objects that a new list replaced.
#[derive(Debug)]
pub(crate) struct ReplacedObjects<K>(KeptObjects<K>);

impl<K> Default for WatchStore<K> {
    fn default() -> Self {
        Self { objects: Arc::default(), is_packed: false }
    }
}

impl<K> Clone for WatchStore<K> {
    fn clone(&self) -> Self {
        Self { objects: Arc::clone(&self.objects), is_packed: self.is_packed }
    }
}

impl<K> WatchStore<K> {
    /// A store that keeps the JSON of each object and decodes it for each reader: a third of the
    /// memory, for a kind of which there are thousands.
    #[must_use]
    pub fn packed() -> Self {
        Self { objects: Arc::default(), is_packed: true }
    }

    /// The names of all objects.
    #[must_use]
    pub fn names(&self) -> Vec<NamespacedName> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

impl<K: Serialize + DeserializeOwned> WatchStore<K> {
    #[must_use]
    pub fn get(&self, name: &NamespacedName) -> Option<Arc<K>> {
        self.kept(name).and_then(|kept| kept.object())
    }

    #[must_use]
    pub fn all(&self) -> Vec<Arc<K>> {
        self.filter(|_| true)
    }

    /// All objects that match.
    #[must_use]
    pub fn filter(&self, is_wanted: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        // Decoded after the lock is free, so that a long list holds up no watch.
        let kept: Vec<_> =
            self.objects.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        kept.iter().filter_map(KeptObject::object).filter(|object| is_wanted(object)).collect()
    }

    /// The object as this store keeps it. One that is there already shares its memory.
    pub(crate) fn keep(&self, name: &NamespacedName, object: Arc<K>) -> KeptObject<K> {
        let kept = KeptObject::new(object, self.is_packed);
        let present = self.kept(name).filter(|present| present.is_same(&kept));
        present.unwrap_or(kept)
    }

    /// Whether the store has this object as it is.
    pub(crate) fn holds(&self, name: &NamespacedName, object: &KeptObject<K>) -> bool {
        self.kept(name).is_some_and(|present| present.is_same(object))
    }

    pub(crate) fn kept(&self, name: &NamespacedName) -> Option<KeptObject<K>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Adds or replaces an object. Returns the former one.
    pub(crate) fn insert(&self, name: NamespacedName, object: Arc<K>) -> Option<Arc<K>> {
        let kept = KeptObject::new(object, self.is_packed);
        let former = self.objects.write().unwrap_or_else(PoisonError::into_inner).insert(name, kept);
        former.and_then(|former| former.object())
    }

    /// Removes an object. Returns it.
    pub(crate) fn remove(&self, name: &NamespacedName) -> Option<Arc<K>> {
        let former = self.objects.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        former.and_then(|former| former.object())
    }

    /// Replaces all objects of `scope` at once. Returns the former ones.
    pub(crate) fn replace(&self, scope: &WatchScope, objects: KeptObjects<K>) -> ReplacedObjects<K> {
        let mut kept = objects;
        let mut found = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let (former, others) = std::mem::take(&mut *found)
            .into_iter()
            .partition::<KeptObjects<K>, _>(|(name, _)| scope.contains(name));
        kept.extend(others);
        *found = kept;
        ReplacedObjects(former)
    }
}

impl<K: DeserializeOwned> ReplacedObjects<K> {
    pub(crate) fn get(&self, name: &NamespacedName) -> Option<Arc<K>> {
        self.0.get(name).and_then(KeptObject::object)
    }

    /// Whether this object was there as it is now.
    pub(crate) fn is_same(&self, name: &NamespacedName, present: &KeptObject<K>) -> bool {
        self.0.get(name).is_some_and(|former| former.is_same(present))
    }

    /// Those that `objects` does not contain.
    pub(crate) fn missing_in<V>(
        &self,
        objects: &BTreeMap<NamespacedName, V>,
    ) -> impl Iterator<Item = (&NamespacedName, Arc<K>)> {
        let missing = self.0.iter().filter(|(name, _)| !objects.contains_key(*name));
        missing.filter_map(|(name, kept)| Some((name, kept.object()?)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&NamespacedName, Arc<K>)> {
        self.0.iter().filter_map(|(name, kept)| Some((name, kept.object()?)))
    }
}
