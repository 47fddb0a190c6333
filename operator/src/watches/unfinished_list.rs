//! Collects the pages of a list, and brings them up to what a watch told meanwhile.
//!
//! All pages of a list show the version of the first one. A watch from that version tells in order
//! what happened since, so that the list and the changes together are the present state.

use std::collections::BTreeMap;

use super::watch_source::{Decoded, Observation};
use crate::object_key::NamespacedName;

/// The objects of the pages so far, and what changed after the version that they show. Both are
/// bounded by the number of objects.
pub(super) struct UnfinishedList<V> {
    objects: BTreeMap<NamespacedName, V>,
    /// The last change of each object. `None`: it was deleted.
    changes: BTreeMap<NamespacedName, Option<V>>,
}

impl<V> Default for UnfinishedList<V> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), changes: BTreeMap::new() }
    }
}

impl<V> UnfinishedList<V> {
    pub(super) fn add_page<K>(
        &mut self,
        page: Vec<Decoded<K>>,
        name: impl Fn(&Decoded<K>) -> NamespacedName,
        read: impl Fn(Decoded<K>) -> V,
    ) {
        self.objects.extend(page.into_iter().map(|object| (name(&object), read(object))));
    }

    /// Notes what a watch told.
    pub(super) fn change<K: Clone>(
        &mut self,
        observation: &Observation<K>,
        name: impl Fn(&Decoded<K>) -> NamespacedName,
        read: impl Fn(Decoded<K>) -> V,
    ) {
        let (object, change) = match observation {
            Observation::Applied(object) => (object, Some(read(object.clone()))),
            Observation::Deleted(object) => (object, None),
            Observation::Bookmark | Observation::Failed(_) => return,
        };
        self.changes.insert(name(object), change);
    }

    /// Whether a watch told of the object.
    pub(super) fn has_changed(&self, name: &NamespacedName) -> bool {
        self.changes.contains_key(name)
    }

    /// Notes that objects were deleted.
    pub(super) fn delete(&mut self, names: Vec<NamespacedName>) {
        self.changes.extend(names.into_iter().map(|name| (name, None)));
    }

    /// The present objects.
    pub(super) fn finish(mut self) -> Vec<V> {
        for (name, change) in self.changes {
            match change {
                Some(object) => drop(self.objects.insert(name, object)),
                None => drop(self.objects.remove(&name)),
            }
        }
        self.objects.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Object = (&'static str, u32);

    fn name(object: &Decoded<Object>) -> NamespacedName {
        NamespacedName::new("team", object.as_ref().unwrap().0)
    }

    fn page(objects: &[Object]) -> Vec<Decoded<Object>> {
        objects.iter().copied().map(Ok).collect()
    }

    #[test]
    fn the_last_change_of_each_object_replaces_what_any_page_had() {
        let mut list = UnfinishedList::default();
        list.add_page(page(&[("alice", 1), ("bob", 1)]), name, Result::unwrap);
        let bob = [("bob", 2), ("bob", 3)].map(|object| Observation::Applied(Ok(object)));
        let dave = [Observation::Applied(Ok(("dave", 1))), Observation::Deleted(Ok(("dave", 1)))];
        let others = [Observation::Deleted(Ok(("erin", 1))), Observation::Bookmark];
        for observation in bob.iter().chain(&dave).chain(&others) {
            list.change(observation, name, Result::unwrap);
        }
        list.add_page(page(&[("erin", 1), ("frank", 1)]), name, Result::unwrap);
        assert_eq!(list.finish(), [("alice", 1), ("bob", 3), ("frank", 1)]);
    }
}
