//! The objects that exist and cannot be decoded, for example after a downgrade of the operator.
//!
//! Such an object is unknown, not absent: it and everything that depends on it stay as they are.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::object_key::{Kind, ObjectKey};
use crate::watch_scope::WatchScope;

/// Uids of objects that cannot be decoded, by name.
#[derive(Debug, Default)]
pub struct Undecodable(Mutex<HashMap<ObjectKey, String>>);

impl Undecodable {
    pub(crate) fn insert(&self, key: ObjectKey, uid: String) {
        self.lock().insert(key, uid);
    }

    pub(crate) fn remove(&self, key: &ObjectKey) -> bool {
        self.lock().remove(key).is_some()
    }

    /// Replaces the objects of one kind within `scope`. Returns the former ones.
    pub(crate) fn replace(
        &self,
        kind: Kind,
        scope: &WatchScope,
        objects: HashMap<ObjectKey, String>,
    ) -> HashMap<ObjectKey, String> {
        let mut found = self.lock();
        let is_replaced = |key: &ObjectKey| key.kind == kind && scope.contains(&key.name);
        let (former, others) = std::mem::take(&mut *found).into_iter().partition(|(key, _)| is_replaced(key));
        *found = others;
        found.extend(objects);
        former
    }

    #[must_use]
    pub fn contains(&self, key: &ObjectKey) -> bool {
        self.lock().contains_key(key)
    }

    /// Whether an object with this uid exists and cannot be decoded. It still owns what it owned.
    #[must_use]
    pub fn contains_uid(&self, uid: &str) -> bool {
        self.lock().values().any(|found| found == uid)
    }

    /// The uids of all objects that cannot be decoded.
    #[must_use]
    pub fn uids(&self) -> Vec<String> {
        self.lock().values().cloned().collect()
    }

    /// Whether any object of the kind cannot be decoded. It may refer to every other object.
    #[must_use]
    pub fn contains_kind(&self, kind: Kind) -> bool {
        self.lock().keys().any(|key| key.kind == kind)
    }

    /// The number of objects, for the metric.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object_key::NamespacedName;

    #[test]
    fn a_new_list_of_a_kind_replaces_only_that_kind() {
        let key = |kind: Kind| NamespacedName::new("team", "a").key(kind);
        let undecodable = Undecodable::default();
        undecodable.insert(key(Kind::Agent), "1".to_owned());
        undecodable.insert(key(Kind::Tenant), "2".to_owned());
        let former = undecodable.replace(Kind::Agent, &WatchScope::Cluster, HashMap::new());
        assert_eq!(former.len(), 1);
        assert!(!undecodable.contains_uid("1") && undecodable.contains_uid("2"));
        assert!(undecodable.contains_kind(Kind::Tenant) && !undecodable.contains_kind(Kind::Agent));
    }
}
