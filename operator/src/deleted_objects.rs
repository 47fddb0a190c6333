//! Remembers the uids of deleted objects, until their entries at the relays are deleted too.
//!
//! The watches record every deletion, also those that only a new list shows. What is forgotten
//! here, because the process ended or the table is full, is found by comparing a relay's listing
//! with the objects.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::object_key::ObjectKey;

/// Maximum number of deleted objects that are remembered. A namespace with every Agent of a large
/// cluster fits into it; an entry has about 200 bytes.
const DELETED_OBJECTS_MAX: usize = 20_000;

#[derive(Debug, Default)]
struct State {
    uids: BTreeMap<ObjectKey, Vec<String>>,
    /// The keys in the order of their first deletion. A key that was taken is skipped.
    order: VecDeque<ObjectKey>,
}

/// The uids of deleted objects by name.
#[derive(Debug, Default)]
pub struct DeletedObjects(Mutex<State>);

impl DeletedObjects {
    pub(crate) fn record(&self, key: ObjectKey, uid: String) {
        self.lock().add(key, [uid]);
    }

    /// Returns the uids of the deleted objects of this name, and forgets them.
    #[must_use]
    pub fn take(&self, key: &ObjectKey) -> Vec<String> {
        self.lock().uids.remove(key).unwrap_or_default()
    }

    /// Returns uids whose entries could not be deleted yet.
    pub fn put_back(&self, key: ObjectKey, uids: Vec<String>) {
        if !uids.is_empty() {
            self.lock().add(key, uids);
        }
    }

    /// The names of all deleted objects.
    #[must_use]
    pub fn keys(&self) -> Vec<ObjectKey> {
        self.lock().uids.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, key: ObjectKey, uids: impl IntoIterator<Item = String>) {
        if !self.uids.contains_key(&key) {
            self.order.push_back(key.clone());
        }
        let known = self.uids.entry(key).or_default();
        uids.into_iter().for_each(|uid| {
            if !known.contains(&uid) {
                known.push(uid);
            }
        });
        while self.order.len() > DELETED_OBJECTS_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            self.uids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object_key::{Kind, NamespacedName};

    fn key(name: &str) -> ObjectKey {
        NamespacedName::new("team", name).key(Kind::Agent)
    }

    #[test]
    fn every_object_that_had_the_name_is_remembered_until_it_is_taken() {
        let deleted = DeletedObjects::default();
        for uid in ["1", "2", "2"] {
            deleted.record(key("alice"), uid.to_owned());
        }
        let uids = deleted.take(&key("alice"));
        assert_eq!(uids, ["1", "2"]);
        assert!(deleted.take(&key("alice")).is_empty());
        deleted.put_back(key("alice"), uids);
        assert_eq!(deleted.keys(), [key("alice")]);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let deleted = DeletedObjects::default();
        for number in 0..20_002 {
            deleted.record(key(&number.to_string()), "1".to_owned());
        }
        assert_eq!(deleted.keys().len(), 20_000);
        assert!(deleted.take(&key("1")).is_empty());
        assert_eq!(deleted.take(&key("2")), ["1"]);
    }
}
