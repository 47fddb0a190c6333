//! The objects of the model API server, and the history of their changes for lists and watches.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::time::Instant;

use super::api_failure::ApiFailure;
use super::field_ownership::FieldOwnership;
use super::model_kind::ModelKind;
use crate::simulator::model_clock::ModelClock;

mod deletion;
mod write;

/// Kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectId {
    pub(crate) kind: &'static ModelKind,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl ObjectId {
    pub(crate) fn new(kind: &'static ModelKind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }
}

impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind.kind, self.namespace, self.name)
    }
}

#[derive(Debug, Clone)]
struct StoredObject {
    value: Arc<Value>,
    ownership: FieldOwnership,
}

/// One change of one object.
#[derive(Debug, Clone)]
pub(crate) struct ObjectChange {
    pub(crate) revision: u64,
    pub(crate) at: Instant,
    /// When the request left its sender.
    pub(crate) sent: Instant,
    pub(crate) id: ObjectId,
    /// The field manager that made it.
    pub(crate) manager: String,
    pub(crate) before: Option<Arc<Value>>,
    /// `None` for a deletion.
    pub(crate) after: Option<Arc<Value>>,
}

/// All objects, and every change since the start.
#[derive(Debug)]
pub(crate) struct ObjectStore {
    objects: BTreeMap<ObjectId, StoredObject>,
    changes: Vec<ObjectChange>,
    revision: u64,
    /// Changes up to this revision are no longer served.
    compacted: u64,
    uids: u64,
    clock: ModelClock,
    /// When the request left its sender that is being answered.
    sent: Option<Instant>,
}

impl ObjectStore {
    pub(crate) fn new(clock: ModelClock) -> Self {
        Self {
            objects: BTreeMap::new(),
            changes: Vec::new(),
            revision: 1,
            compacted: 0,
            uids: 0,
            clock,
            sent: None,
        }
    }

    /// Answers a request that was sent at `sent`.
    pub(crate) fn answer<T>(&mut self, sent: Instant, work: impl FnOnce(&mut Self) -> T) -> T {
        self.sent = Some(sent);
        let result = work(self);
        self.sent = None;
        result
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn find(&self, id: &ObjectId) -> Option<Arc<Value>> {
        self.objects.get(id).map(|stored| Arc::clone(&stored.value))
    }

    pub(crate) fn get(&self, id: &ObjectId) -> Result<Arc<Value>, ApiFailure> {
        self.find(id).ok_or_else(|| ApiFailure::not_found(format!("{id} not found")))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&ObjectId, &Arc<Value>)> {
        self.objects.iter().map(|(id, stored)| (id, &stored.value))
    }

    pub(crate) fn of_kind(&self, kind: &'static ModelKind) -> impl Iterator<Item = (&ObjectId, &Arc<Value>)> {
        let first = ObjectId::new(kind, "", "");
        let found = self.objects.range(first..).take_while(move |(id, _)| id.kind == kind);
        found.map(|(id, stored)| (id, &stored.value))
    }

    /// The objects of a kind, in all namespaces when `namespace` is empty.
    pub(crate) fn list(&self, kind: &'static ModelKind, namespace: &str) -> Vec<(ObjectId, Arc<Value>)> {
        let found = self.of_kind(kind).filter(|(id, _)| namespace.is_empty() || id.namespace == namespace);
        found.map(|(id, value)| (id.clone(), Arc::clone(value))).collect()
    }

    /// The objects of a kind as they were at `revision`.
    pub(crate) fn list_at(
        &self,
        kind: &'static ModelKind,
        namespace: &str,
        revision: u64,
    ) -> Result<Vec<(ObjectId, Arc<Value>)>, ApiFailure> {
        let mut found: BTreeMap<_, _> = self.list(kind, namespace).into_iter().collect();
        let later = self.changes_after(revision)?;
        let later = later.iter().filter(|change| change.id.kind == kind);
        for change in later.filter(|change| namespace.is_empty() || change.id.namespace == namespace).rev() {
            match &change.before {
                Some(before) => drop(found.insert(change.id.clone(), Arc::clone(before))),
                None => drop(found.remove(&change.id)),
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The changes after `revision`, the oldest first.
    pub(crate) fn changes_after(&self, revision: u64) -> Result<&[ObjectChange], ApiFailure> {
        if revision < self.compacted {
            return Err(ApiFailure::expired());
        }
        let start = self.changes.partition_point(|change| change.revision <= revision);
        Ok(&self.changes[start..])
    }

    /// Every change since the start, compacted ones included. For the checks of a simulation.
    pub(crate) fn history(&self) -> &[ObjectChange] {
        &self.changes
    }

    /// Forgets the changes until now: watches that have to resume from them get 410.
    pub(crate) fn compact(&mut self) {
        self.compacted = self.revision;
    }

    fn commit(&mut self, id: &ObjectId, manager: &str, next: Option<(Value, FieldOwnership)>) -> Arc<Value> {
        self.revision += 1;
        let before = self.find(id);
        let mut value =
            next.as_ref().map_or_else(|| Value::clone(before.as_ref().unwrap()), |(next, _)| next.clone());
        value["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let value = Arc::new(value);
        let after = next.as_ref().map(|_| Arc::clone(&value));
        match next {
            Some((_, ownership)) => {
                let stored = StoredObject { value: Arc::clone(&value), ownership };
                self.objects.insert(id.clone(), stored);
            }
            None => drop(self.objects.remove(id)),
        }
        let (revision, at, manager) = (self.revision, Instant::now(), manager.to_owned());
        let sent = self.sent.unwrap_or(at);
        self.changes.push(ObjectChange { revision, at, sent, id: id.clone(), manager, before, after });
        value
    }
}
