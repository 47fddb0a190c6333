//! Deletes objects: preconditions, finalizers, namespaces, and the garbage collector.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::super::api_failure::ApiFailure;
use super::super::model_kind::ModelKind;
use super::{ObjectId, ObjectStore};

/// The manager of changes that the cluster makes itself.
const CLUSTER_MANAGER: &str = "kube-controller-manager";

impl ObjectStore {
    /// Deletes an object, or marks it when it has finalizers. `options` are `DeleteOptions`.
    pub(crate) fn delete(
        &mut self,
        id: &ObjectId,
        manager: &str,
        options: &Value,
    ) -> Result<Arc<Value>, ApiFailure> {
        let current = self.get(id)?;
        for name in ["uid", "resourceVersion"] {
            let wanted = options["preconditions"][name].as_str();
            if wanted.is_some_and(|wanted| current["metadata"][name] != wanted) {
                return Err(ApiFailure::conflict(format!("{id}: the precondition {name} does not hold")));
            }
        }
        if options["propagationPolicy"] == "Orphan" {
            self.orphan_dependents(&current);
        }
        let has_finalizers =
            current["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        if !has_finalizers && id.kind.kind != "Namespace" {
            return Ok(self.commit(id, manager, None));
        }
        if !current["metadata"]["deletionTimestamp"].is_null() {
            return Ok(current);
        }
        let mut next = Value::clone(&current);
        let metadata = &mut next["metadata"];
        metadata["deletionTimestamp"] = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
        if id.kind.has_generation {
            metadata["generation"] = (metadata["generation"].as_i64().unwrap_or(0) + 1).into();
        }
        let ownership = self.objects[id].ownership.clone();
        Ok(self.commit(id, manager, Some((next, ownership))))
    }

    fn orphan_dependents(&mut self, owner: &Value) {
        let uid = &owner["metadata"]["uid"];
        let is_dependent = |value: &Value| owner_uids(value).any(|found| found == uid);
        let dependents: Vec<ObjectId> =
            self.all().filter(|(_, value)| is_dependent(value)).map(|(id, _)| id.clone()).collect();
        for id in dependents {
            let edit = |value: &mut Value| {
                let references = value["metadata"]["ownerReferences"].as_array_mut().unwrap();
                references.retain(|reference| reference["uid"] != *uid);
            };
            self.edit(&id, false, CLUSTER_MANAGER, edit).unwrap();
        }
    }

    /// One pass of the garbage collector and of the namespace controller. Returns whether it
    /// changed something.
    pub(crate) fn collect_garbage(&mut self) -> bool {
        let doomed: Vec<ObjectId> = self.orphans().into_iter().chain(self.content_of_terminating()).collect();
        let begun = self.revision;
        for id in doomed {
            // An earlier deletion of this pass may have taken it along.
            drop(self.delete(&id, CLUSTER_MANAGER, &Value::Null));
        }
        for id in self.empty_terminating_namespaces() {
            self.commit(&id, CLUSTER_MANAGER, None);
        }
        self.revision != begun
    }

    /// Objects with owners, none of which exists.
    fn orphans(&self) -> Vec<ObjectId> {
        let uids: BTreeSet<&str> =
            self.all().filter_map(|(_, value)| value["metadata"]["uid"].as_str()).collect();
        let is_orphan = |value: &Value| {
            let mut owners = owner_uids(value).peekable();
            owners.peek().is_some()
                && owners.all(|uid| uid.as_str().is_none_or(|uid| !uids.contains(uid)))
                && value["metadata"]["deletionTimestamp"].is_null()
        };
        self.all().filter(|(_, value)| is_orphan(value)).map(|(id, _)| id.clone()).collect()
    }

    fn terminating_namespaces(&self) -> BTreeSet<String> {
        let namespaces = self.of_kind(ModelKind::named("Namespace"));
        let terminating = namespaces.filter(|(_, value)| !value["metadata"]["deletionTimestamp"].is_null());
        terminating.map(|(id, _)| id.name.clone()).collect()
    }

    fn content_of_terminating(&self) -> Vec<ObjectId> {
        let terminating = self.terminating_namespaces();
        if terminating.is_empty() {
            return Vec::new();
        }
        let is_doomed = |id: &ObjectId, value: &Value| {
            terminating.contains(&id.namespace) && value["metadata"]["deletionTimestamp"].is_null()
        };
        self.all().filter(|(id, value)| is_doomed(id, value)).map(|(id, _)| id.clone()).collect()
    }

    fn empty_terminating_namespaces(&self) -> Vec<ObjectId> {
        let terminating = self.terminating_namespaces().into_iter();
        let empty = terminating.filter(|name| !self.all().any(|(id, _)| id.namespace == *name));
        empty.map(|name| ObjectId::new(ModelKind::named("Namespace"), "", &name)).collect()
    }
}

fn owner_uids(value: &Value) -> impl Iterator<Item = &Value> {
    value["metadata"]["ownerReferences"].as_array().into_iter().flatten().map(|reference| &reference["uid"])
}
