//! A store of all watched objects of one kind, which a watch fills and reconciles read.
//!
//! kube's store keeps a resourceVersion and a uid in every key, and tells nobody what a new list
//! changed. This one shares its keys, and returns what it replaced.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::object_key::NamespacedName;
use crate::watch_scope::WatchScope;

/// The objects of one kind by name.
pub(crate) type Objects<K> = BTreeMap<NamespacedName, Arc<K>>;

/// The watched objects of one kind. Cheap to clone; clones share the objects.
#[derive(Debug)]
pub struct WatchStore<K>(Arc<RwLock<Objects<K>>>);

impl<K> Default for WatchStore<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K> Clone for WatchStore<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> WatchStore<K> {
    #[must_use]
    pub fn get(&self, name: &NamespacedName) -> Option<Arc<K>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    #[must_use]
    pub fn all(&self) -> Vec<Arc<K>> {
        self.filter(|_| true)
    }

    /// All objects that match.
    #[must_use]
    pub fn filter(&self, is_wanted: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        let objects = self.0.read().unwrap_or_else(PoisonError::into_inner);
        objects.values().filter(|object| is_wanted(object)).cloned().collect()
    }

    /// The names of all objects.
    #[must_use]
    pub fn names(&self) -> Vec<NamespacedName> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Adds or replaces an object. Returns the former one.
    pub(crate) fn insert(&self, name: NamespacedName, object: Arc<K>) -> Option<Arc<K>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name, object)
    }

    /// Removes an object. Returns it.
    pub(crate) fn remove(&self, name: &NamespacedName) -> Option<Arc<K>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// Replaces all objects of `scope` at once. Returns the former ones.
    pub(crate) fn replace(&self, scope: &WatchScope, mut objects: Objects<K>) -> Objects<K> {
        let mut found = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (former, others) = std::mem::take(&mut *found)
            .into_iter()
            .partition::<Objects<K>, _>(|(name, _)| scope.contains(name));
        objects.extend(others);
        *found = objects;
        former
    }
}
