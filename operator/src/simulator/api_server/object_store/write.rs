//! Creates, replaces, patches and applies objects, with the rules of an API server.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::api_failure::ApiFailure;
use super::super::field_ownership::FieldOwnership;
use super::super::model_kind::ModelKind;
use super::{ObjectId, ObjectStore, StoredObject};

/// Metadata that the server sets.
const SERVER_SET: [&str; 6] =
    ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "generation"];
/// What may change in a StatefulSet's spec.
const MUTABLE_IN_STATEFUL_SETS: [&str; 7] = [
    "replicas",
    "template",
    "updateStrategy",
    "minReadySeconds",
    "persistentVolumeClaimRetentionPolicy",
    "ordinals",
    "revisionHistoryLimit",
];

type Written = Result<Arc<Value>, ApiFailure>;

impl ObjectStore {
    pub(crate) fn create(
        &mut self,
        kind: &'static ModelKind,
        namespace: &str,
        manager: &str,
        object: Value,
    ) -> Written {
        let mut object = object;
        let metadata = &object["metadata"];
        let text = |name: &str| metadata[name].as_str().map(str::to_owned);
        let generated = || text("generateName").map(|prefix| format!("{prefix}{}", self.uids + 1));
        let name =
            text("name").or_else(generated).ok_or_else(|| ApiFailure::invalid("a name is required"))?;
        if text("resourceVersion").is_some_and(|version| !version.is_empty()) {
            return Err(ApiFailure::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let id = ObjectId::new(kind, namespace, &name);
        if self.find(&id).is_some() {
            return Err(ApiFailure::already_exists(format!("{id} already exists")));
        }
        if kind.has_status() {
            object.as_object_mut().unwrap().remove("status");
        }
        let mut ownership = FieldOwnership::default();
        ownership.record(manager, &Value::Null, &object);
        self.insert(&id, manager, object, ownership)
    }

    fn insert(
        &mut self,
        id: &ObjectId,
        manager: &str,
        mut object: Value,
        ownership: FieldOwnership,
    ) -> Written {
        self.check_namespace(id)?;
        self.uids += 1;
        object["apiVersion"] = id.kind.api_version().into();
        object["kind"] = id.kind.kind.into();
        let metadata = &mut object["metadata"];
        metadata["name"] = id.name.as_str().into();
        if id.kind.is_namespaced() {
            metadata["namespace"] = id.namespace.as_str().into();
        }
        metadata["uid"] = format!("00000000-0000-4000-8000-{:012}", self.uids).into();
        metadata["creationTimestamp"] = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
        if id.kind.has_generation {
            metadata["generation"] = 1.into();
        }
        Ok(self.commit(id, manager, Some((object, ownership))))
    }

    fn check_namespace(&self, id: &ObjectId) -> Result<(), ApiFailure> {
        if !id.kind.is_namespaced() {
            return Ok(());
        }
        let namespace = ObjectId::new(ModelKind::named("Namespace"), "", &id.namespace);
        match self.get(&namespace)?["metadata"]["deletionTimestamp"].is_null() {
            true => Ok(()),
            false => Err(ApiFailure::forbidden(format!(
                "unable to create {id}: the namespace is being terminated"
            ))),
        }
    }

    pub(crate) fn replace(
        &mut self,
        id: &ObjectId,
        is_status: bool,
        manager: &str,
        object: Value,
    ) -> Written {
        self.change(id, is_status, manager, |current| {
            check_preconditions(current, &object)?;
            Ok(object)
        })
    }

    pub(crate) fn merge_patch(
        &mut self,
        id: &ObjectId,
        is_status: bool,
        manager: &str,
        patch: &Value,
    ) -> Written {
        self.change(id, is_status, manager, |current| {
            check_preconditions(current, patch)?;
            let mut next = current.clone();
            merge(&mut next, patch);
            Ok(next)
        })
    }

    /// Changes an object in place, as a user or a controller of the cluster does.
    pub(crate) fn edit(
        &mut self,
        id: &ObjectId,
        is_status: bool,
        manager: &str,
        edit: impl FnOnce(&mut Value),
    ) -> Written {
        self.change(id, is_status, manager, |current| {
            let mut next = current.clone();
            edit(&mut next);
            Ok(next)
        })
    }

    fn change(
        &mut self,
        id: &ObjectId,
        is_status: bool,
        manager: &str,
        next: impl FnOnce(&Value) -> Result<Value, ApiFailure>,
    ) -> Written {
        let current = self.get(id)?;
        let next = accepted(id, &current, next(&current)?, is_status)?;
        if next == *current {
            return Ok(current);
        }
        let mut ownership = self.objects[id].ownership.clone();
        ownership.record(&manager_of(manager, is_status), &current, &next);
        self.finish(id, manager, &current, next, ownership)
    }

    /// Server-side apply. Creates the object if there is none.
    pub(crate) fn apply(
        &mut self,
        id: &ObjectId,
        is_status: bool,
        manager: &str,
        force: bool,
        applied: &Value,
    ) -> Written {
        if manager.is_empty() {
            return Err(ApiFailure::bad_request("an apply needs a field manager"));
        }
        let Some(StoredObject { value: current, mut ownership }) = self.objects.get(id).cloned() else {
            return self.apply_new(id, is_status, manager, applied);
        };
        check_preconditions(&current, applied)?;
        let mut next = Value::clone(&current);
        ownership.apply(&manager_of(manager, is_status), &mut next, applied, force)?;
        let next = accepted(id, &current, next, is_status)?;
        self.finish(id, manager, &current, next, ownership)
    }

    fn apply_new(&mut self, id: &ObjectId, is_status: bool, manager: &str, applied: &Value) -> Written {
        if is_status {
            return Err(ApiFailure::not_found(format!("{id} not found")));
        }
        if !applied["metadata"]["uid"].is_null() {
            return Err(ApiFailure::conflict("uid mismatch: no existing object was found"));
        }
        let (mut object, mut ownership) = (json!({"metadata": {}}), FieldOwnership::default());
        ownership.apply(manager, &mut object, applied, true)?;
        if id.kind.has_status() {
            object.as_object_mut().unwrap().remove("status");
        }
        self.insert(id, manager, object, ownership)
    }

    /// Stores the next state of an object, unless it is the current one. An object that waited for
    /// its last finalizer is removed.
    fn finish(
        &mut self,
        id: &ObjectId,
        manager: &str,
        current: &Value,
        next: Value,
        ownership: FieldOwnership,
    ) -> Written {
        if next == *current {
            self.objects.get_mut(id).unwrap().ownership = ownership;
            return self.get(id);
        }
        let is_terminating = !next["metadata"]["deletionTimestamp"].is_null();
        let has_finalizers = next["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        if is_terminating && !has_finalizers {
            return Ok(self.commit(id, manager, None));
        }
        Ok(self.commit(id, manager, Some((next, ownership))))
    }
}

/// The owner of a field in the status is another one than that of the same manager elsewhere.
fn manager_of(manager: &str, is_status: bool) -> String {
    if is_status { format!("{manager} of status") } else { manager.to_owned() }
}

/// What the server makes of `next`: it keeps its own metadata, and either the status or everything
/// else.
fn accepted(id: &ObjectId, current: &Value, mut next: Value, is_status: bool) -> Result<Value, ApiFailure> {
    if is_status && id.kind.has_status() {
        let status = next["status"].take();
        next = current.clone();
        next["status"] = status;
    } else if id.kind.has_status() {
        copy(current, &mut next, "status");
    }
    next["apiVersion"] = current["apiVersion"].clone();
    next["kind"] = current["kind"].clone();
    for name in SERVER_SET {
        let (before, metadata) = (&current["metadata"], &mut next["metadata"]);
        copy(before, metadata, name);
    }
    copy(&current["metadata"], &mut next["metadata"], "resourceVersion");
    check_finalizers(current, &next)?;
    check_immutable(id, current, &next)?;
    if id.kind.has_generation && content(current) != content(&next) {
        next["metadata"]["generation"] = (current["metadata"]["generation"].as_i64().unwrap_or(0) + 1).into();
    }
    Ok(next)
}

fn copy(from: &Value, to: &mut Value, name: &str) {
    match from.get(name) {
        Some(value) => to[name] = value.clone(),
        None => drop(to.as_object_mut().unwrap().remove(name)),
    }
}

/// An object without metadata and status.
fn content(object: &Value) -> Vec<(&String, &Value)> {
    let members = object.as_object().unwrap().iter();
    members.filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status")).collect()
}

fn check_preconditions(current: &Value, given: &Value) -> Result<(), ApiFailure> {
    for name in ["uid", "resourceVersion"] {
        let wanted = given["metadata"][name].as_str().filter(|text| !text.is_empty());
        if wanted.is_some_and(|wanted| current["metadata"][name] != wanted) {
            let message =
                format!("the object has been modified: {name} is not {}", wanted.unwrap_or_default());
            return Err(ApiFailure::conflict(message));
        }
    }
    Ok(())
}

fn check_finalizers(current: &Value, next: &Value) -> Result<(), ApiFailure> {
    if current["metadata"]["deletionTimestamp"].is_null() {
        return Ok(());
    }
    let list = |object: &Value| object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let before = list(current);
    match list(next).into_iter().find(|name| !before.contains(name)) {
        Some(name) => {
            Err(ApiFailure::invalid(format!("no new finalizers can be added to a deleted object: {name}")))
        }
        None => Ok(()),
    }
}

fn check_immutable(id: &ObjectId, current: &Value, next: &Value) -> Result<(), ApiFailure> {
    if id.kind.kind != "StatefulSet" {
        return Ok(());
    }
    let fixed = |object: &Value| {
        let mut spec = object["spec"].as_object().cloned().unwrap_or_default();
        spec.retain(|name, _| !MUTABLE_IN_STATEFUL_SETS.contains(&name.as_str()));
        spec
    };
    if fixed(current) == fixed(next) {
        return Ok(());
    }
    Err(ApiFailure::invalid(format!("{id}: updates to statefulset spec for other fields are forbidden")))
}

/// Merges a JSON merge patch (RFC 7386).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (name, value) in members {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
