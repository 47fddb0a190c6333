//! The objects that exist and cannot be decoded, for example after a downgrade of the operator.
//!
//! Such an object is unknown, not absent: it and everything that depends on it stay as they are.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::object_key::{Kind, ObjectKey};

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

    /// Replaces the objects of one kind.
    pub(crate) fn replace(&self, kind: Kind, objects: impl IntoIterator<Item = (ObjectKey, String)>) {
        let mut found = self.lock();
        found.retain(|key, _| key.kind != kind);
        found.extend(objects);
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
        undecodable.replace(Kind::Agent, []);
        assert!(!undecodable.contains_uid("1") && undecodable.contains_uid("2"));
        assert!(undecodable.contains_kind(Kind::Tenant) && !undecodable.contains_kind(Kind::Agent));
    }
}
