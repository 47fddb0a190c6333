//! Brings a list up to what a watch told while its later pages were read.
//!
//! All pages of a list show the version of the first one. A watch from that version tells in order
//! what happened since, so that the list and the changes together are the present state.

use std::collections::BTreeMap;

use super::watch_source::{Decoded, Observation};
use crate::object_key::NamespacedName;

/// The last change of each object since the version of a list. There is one entry for each object
/// that changed, so the size is bounded by the number of objects.
pub(super) struct ListedChanges<K>(BTreeMap<NamespacedName, Change<K>>);

enum Change<K> {
    Applied(Decoded<K>),
    Deleted,
}

impl<K> Default for ListedChanges<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Clone> ListedChanges<K> {
    pub(super) fn record(
        &mut self,
        observation: &Observation<K>,
        name: impl Fn(&Decoded<K>) -> NamespacedName,
    ) {
        let (object, change) = match observation {
            Observation::Applied(object) => (object, Change::Applied(object.clone())),
            Observation::Deleted(object) => (object, Change::Deleted),
            Observation::Bookmark | Observation::Failed(_) => return,
        };
        self.0.insert(name(object), change);
    }

    /// The present objects, from those that the list had.
    pub(super) fn merge(
        self,
        listed: Vec<Decoded<K>>,
        name: impl Fn(&Decoded<K>) -> NamespacedName,
    ) -> Vec<Decoded<K>> {
        let mut objects = listed;
        objects.retain(|object| !self.0.contains_key(&name(object)));
        objects.extend(self.0.into_values().filter_map(|change| match change {
            Change::Applied(object) => Some(object),
            Change::Deleted => None,
        }));
        objects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Object = (&'static str, u32);

    fn name(object: &Decoded<Object>) -> NamespacedName {
        NamespacedName::new("team", object.as_ref().unwrap().0)
    }

    #[test]
    fn the_last_change_of_each_object_replaces_what_the_list_had() {
        let mut changes = ListedChanges::default();
        let bob = [("bob", 2), ("bob", 3)].map(|object| Observation::Applied(Ok(object)));
        let dave = [Observation::Applied(Ok(("dave", 1))), Observation::Deleted(Ok(("dave", 1)))];
        let others = [Observation::Deleted(Ok(("alice", 1))), Observation::Bookmark];
        for observation in bob.iter().chain(&dave).chain(&others) {
            changes.record(observation, name);
        }
        let listed = [("alice", 1), ("bob", 1), ("erin", 1)].map(Ok).to_vec();
        let merged: Vec<_> = changes.merge(listed, name).into_iter().flatten().collect();
        assert_eq!(merged, [("erin", 1), ("bob", 3)]);
    }
}
