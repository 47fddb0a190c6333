//! The state of every owned object, as the watches saw it and as the operator wrote it.
//!
//! An event that only tells what the operator wrote itself reconciles nobody. Every other change
//! enqueues the owner.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::Resource;
use serde::Serialize;

use crate::object_key::{NamespacedName, ObjectKey};
use crate::queue::{Priority, Queue};
use crate::watch_scope::WatchScope;

mod fingerprint;

pub(crate) use fingerprint::{Fingerprint, labelled_owner};

/// Kind, namespace and name of an owned object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChildKey {
    pub(crate) kind: Arc<str>,
    pub(crate) name: NamespacedName,
}

impl ChildKey {
    #[must_use]
    pub fn from_object<K: Resource<DynamicType = ()>>(object: &K) -> Self {
        Self::new::<K>(NamespacedName::from_object(object))
    }

    pub(crate) fn new<K: Resource<DynamicType = ()>>(name: NamespacedName) -> Self {
        Self { kind: K::kind(&()).into(), name }
    }
}

/// An owned object, as a list shows it.
#[derive(Debug)]
pub(crate) struct SeenChild {
    key: ChildKey,
    fingerprint: Fingerprint,
}

impl SeenChild {
    pub(crate) fn from_object<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Self {
        Self { key: ChildKey::from_object(object), fingerprint: Fingerprint::from_object(object) }
    }
}

/// What is known about one owned object.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    /// As the watch last saw it.
    seen: Option<Fingerprint>,
    /// As the API server answered the last write.
    written: Option<Fingerprint>,
    /// The hash of the content that was applied last.
    applied: Option<u64>,
    /// Whether the watch has shown nothing since the last write.
    written_is_newer: bool,
    is_being_written: bool,
    /// Whether the watch saw a change during the write.
    changed_meanwhile: bool,
}

/// All owned objects. Bounded by their number in the cluster: a deleted object is forgotten.
#[derive(Debug)]
pub struct Fingerprints {
    entries: Mutex<HashMap<ChildKey, Entry>>,
    queue: Arc<Queue>,
}

/// A write that is under way. Dropping it counts as a failed write.
#[derive(Debug)]
pub struct WriteInProgress<'a> {
    fingerprints: &'a Fingerprints,
    key: ChildKey,
}

impl Fingerprints {
    #[must_use]
    pub fn new(queue: Arc<Queue>) -> Self {
        Self { entries: Mutex::default(), queue }
    }

    /// Remembers what a watch saw, and enqueues the owner if somebody else changed the object.
    pub(crate) fn saw<K: Resource<DynamicType = ()> + Serialize>(&self, object: &K) {
        self.see(SeenChild::from_object(object));
    }

    fn see(&self, child: SeenChild) {
        let owner = child.fingerprint.owner.clone();
        if self.lock().entry(child.key).or_default().see(child.fingerprint) {
            self.enqueue(owner);
        }
    }

    /// Forgets a deleted object, and enqueues its owner.
    pub(crate) fn saw_deletion<K: Resource<DynamicType = ()> + Serialize>(&self, object: &K) {
        self.lock().remove(&ChildKey::from_object(object));
        self.enqueue(Fingerprint::from_object(object).owner);
    }

    /// Compares with a complete list of a kind within `scope`. Objects that are gone are forgotten,
    /// also those that were deleted before the watch had shown what this process wrote.
    pub(crate) fn saw_list<K: Resource<DynamicType = ()>>(
        &self,
        scope: &WatchScope,
        children: Vec<SeenChild>,
    ) {
        let listed: HashSet<_> = children.iter().map(|child| &child.key).collect();
        let kind = K::kind(&());
        let gone = self.remove_where(|key, entry| {
            let is_listable = *key.kind == *kind && scope.contains(&key.name) && entry.is_known();
            is_listable && !listed.contains(key)
        });
        let last = |entry: Entry| entry.seen.or(entry.written);
        gone.into_iter().for_each(|entry| self.enqueue(last(entry).and_then(|last| last.owner)));
        children.into_iter().for_each(|child| self.see(child));
    }

    fn remove_where(&self, is_gone: impl Fn(&ChildKey, &Entry) -> bool) -> Vec<Entry> {
        let mut entries = self.lock();
        let gone: Vec<_> =
            entries.iter().filter(|(key, entry)| is_gone(key, entry)).map(|(key, _)| key.clone()).collect();
        gone.iter().filter_map(|key| entries.remove(key)).collect()
    }

    /// Announces a write, so that its event reconciles nobody.
    #[must_use]
    pub fn begin_write(&self, key: ChildKey) -> WriteInProgress<'_> {
        let mut entries = self.lock();
        let entry = entries.entry(key.clone()).or_default();
        (entry.is_being_written, entry.changed_meanwhile) = (true, false);
        drop(entries);
        WriteInProgress { fingerprints: self, key }
    }

    /// The last known resourceVersion of an object without a generation, such as a Secret. `None`:
    /// the watch knows no such object, and this process wrote none.
    #[must_use]
    pub fn resource_version<K: Resource<DynamicType = ()>>(&self, name: &NamespacedName) -> Option<String> {
        let entries = self.lock();
        let entry = entries.get(&ChildKey::new::<K>(name.clone()))?;
        let newest = if entry.written_is_newer { entry.written.as_ref() } else { entry.seen.as_ref() };
        newest.and_then(Fingerprint::resource_version).map(str::to_owned)
    }

    pub(crate) fn seen(&self, key: &ChildKey) -> Option<Fingerprint> {
        self.lock().get(key).and_then(|entry| entry.seen.clone())
    }

    /// Whether the content with this hash was applied, and nobody changed the object since.
    pub(crate) fn is_applied(&self, key: &ChildKey, hash: u64, owns_replicas: bool) -> bool {
        self.lock().get(key).is_some_and(|entry| {
            let same = entry.written.as_ref().zip(entry.seen.as_ref());
            entry.applied == Some(hash) && same.is_some_and(|(ours, seen)| ours.matches(seen, owns_replicas))
        })
    }

    /// Whether a watch saw the object, or this process wrote it.
    pub(crate) fn exists(&self, key: &ChildKey) -> bool {
        self.lock().get(key).is_some_and(Entry::is_known)
    }

    /// Forgets what was applied, after the object was deleted by the operator.
    pub(crate) fn removed(&self, key: &ChildKey) {
        self.lock().remove(key);
    }

    fn end_write(&self, key: &ChildKey, written: Option<(Fingerprint, Option<u64>)>) {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(key) else { return };
        let owner = entry.end_write(written);
        if *entry == Entry::default() {
            entries.remove(key);
        }
        drop(entries);
        self.enqueue(owner);
    }

    fn enqueue(&self, owner: Option<ObjectKey>) {
        owner.into_iter().for_each(|owner| self.queue.add(owner, Priority::Normal));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChildKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Whether a watch saw the object, or this process wrote it.
    const fn is_known(&self) -> bool {
        self.seen.is_some() || self.written.is_some()
    }

    /// Remembers what the watch saw. Returns whether the owner must be reconciled now.
    fn see(&mut self, seen: Fingerprint) -> bool {
        let is_new = self.seen.as_ref() != Some(&seen);
        let is_ours = self.written.as_ref() == Some(&seen);
        self.seen = Some(seen);
        self.written_is_newer = false;
        if self.is_being_written {
            self.changed_meanwhile |= is_new;
            return false;
        }
        is_new && !is_ours
    }

    /// Ends a write. Returns the owner if somebody else changed the object meanwhile.
    fn end_write(&mut self, written: Option<(Fingerprint, Option<u64>)>) -> Option<ObjectKey> {
        self.is_being_written = false;
        let changed = std::mem::take(&mut self.changed_meanwhile);
        let Some((written, applied)) = written else {
            // The write may have been applied, so that nothing is known about the object.
            (self.applied, self.written, self.written_is_newer) = (None, None, false);
            return self.seen.as_ref().filter(|_| changed).and_then(|seen| seen.owner.clone());
        };
        let foreign = changed && self.seen.as_ref() != Some(&written);
        self.written_is_newer = self.seen.as_ref() != Some(&written);
        let owner = written.owner.clone().filter(|_| foreign);
        (self.applied, self.written) = (applied, Some(written));
        owner
    }
}

impl WriteInProgress<'_> {
    /// Ends the write with what the API server answered. `applied` is the hash of the content.
    pub fn finish<K: Resource<DynamicType = ()> + Serialize>(self, answer: &K, applied: Option<u64>) {
        self.fingerprints.end_write(&self.key, Some((Fingerprint::from_object(answer), applied)));
    }
}

impl Drop for WriteInProgress<'_> {
    fn drop(&mut self) {
        if self.fingerprints.lock().get(&self.key).is_some_and(|entry| entry.is_being_written) {
            self.fingerprints.end_write(&self.key, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use crds::label;
    use k8s_openapi::api::core::v1::Secret;

    use super::*;
    use crate::object_key::Kind;

    fn secret(name: &str, version: &str) -> Secret {
        serde_json::from_value(serde_json::json!({"metadata": {
            "name": name, "namespace": "team", "uid": "1", "resourceVersion": version,
            "labels": {label::AGENT: "alice"},
        }}))
        .unwrap()
    }

    fn alice() -> ObjectKey {
        NamespacedName::new("team", "alice").key(Kind::Agent)
    }

    fn fingerprints() -> (Fingerprints, Arc<Queue>) {
        let queue = Arc::new(Queue::default());
        (Fingerprints::new(Arc::clone(&queue)), queue)
    }

    #[test]
    fn the_event_of_our_own_write_reconciles_nobody_whether_it_comes_before_or_after_the_answer() {
        for event_comes_first in [true, false] {
            let (fingerprints, queue) = fingerprints();
            let write = fingerprints.begin_write(ChildKey::from_object(&secret("a", "2")));
            if event_comes_first {
                fingerprints.saw(&secret("a", "2"));
            }
            write.finish(&secret("a", "2"), None);
            if !event_comes_first {
                fingerprints.saw(&secret("a", "2"));
            }
            assert!(!queue.contains(&alice()), "the event comes first: {event_comes_first}");
            fingerprints.saw(&secret("a", "3"));
            assert!(queue.contains(&alice()), "a change by somebody else");
        }
    }

    #[test]
    fn a_foreign_change_during_a_write_is_not_lost() {
        let (fingerprints, queue) = fingerprints();
        let write = fingerprints.begin_write(ChildKey::from_object(&secret("a", "2")));
        fingerprints.saw(&secret("a", "3"));
        write.finish(&secret("a", "2"), None);
        assert!(queue.contains(&alice()));
    }

    #[test]
    fn a_change_seen_during_a_write_that_failed_is_not_lost() {
        let (fingerprints, queue) = fingerprints();
        let write = fingerprints.begin_write(ChildKey::from_object(&secret("a", "2")));
        fingerprints.saw(&secret("a", "2"));
        drop(write);
        assert!(queue.contains(&alice()));
    }

    #[test]
    fn a_child_that_a_new_list_no_longer_has_is_forgotten_and_its_owner_is_reconciled() {
        let (fingerprints, queue) = fingerprints();
        let (lost, kept) = (secret("a", "2"), secret("b", "2"));
        for object in [&lost, &kept] {
            fingerprints.begin_write(ChildKey::from_object(object)).finish(object, Some(7));
            fingerprints.saw(object);
        }
        fingerprints.saw_list::<Secret>(&WatchScope::Cluster, vec![SeenChild::from_object(&kept)]);
        assert!(queue.contains(&alice()));
        assert!(!fingerprints.is_applied(&ChildKey::from_object(&lost), 7, false), "it is made again");
        assert!(fingerprints.is_applied(&ChildKey::from_object(&kept), 7, false));
        assert!(!fingerprints.exists(&ChildKey::from_object(&lost)));
    }

    #[test]
    fn a_child_that_was_deleted_before_any_watch_showed_it_is_missed_by_the_next_list() {
        let (fingerprints, queue) = fingerprints();
        let written = secret("a", "2");
        let write = fingerprints.begin_write(ChildKey::from_object(&written));
        fingerprints.saw_list::<Secret>(&WatchScope::Cluster, vec![]);
        assert!(!queue.contains(&alice()), "it is being written");
        write.finish(&written, Some(7));
        fingerprints.saw_list::<Secret>(&WatchScope::Cluster, vec![]);
        assert!(queue.contains(&alice()));
        assert!(!fingerprints.exists(&ChildKey::from_object(&written)));
    }

    #[test]
    fn a_list_of_another_kind_or_namespace_says_nothing() {
        let (fingerprints, _queue) = fingerprints();
        fingerprints.saw(&secret("a", "2"));
        fingerprints.saw_list::<k8s_openapi::api::core::v1::Service>(&WatchScope::Cluster, vec![]);
        fingerprints.saw_list::<Secret>(&WatchScope::Namespace("other".into()), vec![]);
        assert!(fingerprints.exists(&ChildKey::from_object(&secret("a", "2"))));
    }

    #[test]
    fn the_newest_resource_version_is_that_of_the_last_write_or_event() {
        let (fingerprints, _queue) = fingerprints();
        let name = NamespacedName::new("team", "a");
        let version = || fingerprints.resource_version::<Secret>(&name);
        assert_eq!(version(), None);
        fingerprints.saw(&secret("a", "1"));
        assert_eq!(version().as_deref(), Some("1"));
        let write = fingerprints.begin_write(ChildKey::from_object(&secret("a", "2")));
        write.finish(&secret("a", "2"), None);
        assert_eq!(version().as_deref(), Some("2"), "before the event");
        fingerprints.saw(&secret("a", "2"));
        fingerprints.saw(&secret("a", "3"));
        assert_eq!(version().as_deref(), Some("3"));
        fingerprints.saw_deletion(&secret("a", "3"));
        assert_eq!(version(), None);
    }
}
