//! Keeps which field manager owns which fields of one object, as server-side apply does. Lists are
//! owned as a whole.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::api_failure::ApiFailure;

type FieldPath = Vec<String>;

/// Metadata that an applied configuration names but does not own.
const IDENTIFYING: [&str; 7] =
    ["name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"];

/// The owned fields by manager.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldOwnership(BTreeMap<String, BTreeSet<FieldPath>>);

impl FieldOwnership {
    /// Merges `applied` into `live`. What `manager` applied before and no longer does is removed,
    /// unless another manager owns it too.
    pub(crate) fn apply(
        &mut self,
        manager: &str,
        live: &mut Value,
        applied: &Value,
        force: bool,
    ) -> Result<(), ApiFailure> {
        let fields = fields(applied);
        let conflicts = self.conflicts(manager, live, &fields);
        if let (Some((path, other)), false) = (conflicts.first(), force) {
            let message =
                format!("Apply failed with 1 conflict: conflict with {other:?}: .{}", path.join("."));
            return Err(ApiFailure::conflict(message));
        }
        for (path, other) in conflicts {
            self.0.entry(other).or_default().remove(&path);
        }
        let owned: BTreeSet<FieldPath> = fields.keys().cloned().collect();
        let before = self.0.insert(manager.to_owned(), owned.clone()).unwrap_or_default();
        for path in before.difference(&owned) {
            let is_shared = self.0.iter().any(|(other, paths)| other != manager && paths.contains(path));
            if !is_shared {
                remove(live, path);
            }
        }
        for (path, value) in fields {
            set(live, &path, value);
        }
        Ok(())
    }

    /// Records a create, a replace or a patch: the changed fields belong to `manager` alone.
    pub(crate) fn record(&mut self, manager: &str, before: &Value, after: &Value) {
        let (before, after) = (fields(before), fields(after));
        let changed: BTreeSet<FieldPath> = after
            .iter()
            .filter(|(path, value)| before.get(*path) != Some(value))
            .map(|(path, _)| path.clone())
            .collect();
        for paths in self.0.values_mut() {
            paths.retain(|path| after.contains_key(path) && !changed.contains(path));
        }
        self.0.entry(manager.to_owned()).or_default().extend(changed);
    }

    fn conflicts(
        &self,
        manager: &str,
        live: &Value,
        fields: &BTreeMap<FieldPath, Value>,
    ) -> Vec<(FieldPath, String)> {
        let others = self.0.iter().filter(|(other, _)| *other != manager);
        others
            .flat_map(|(other, paths)| paths.iter().map(move |path| (path, other)))
            .filter(|(path, _)| fields.get(*path).is_some_and(|value| find(live, path) != Some(value)))
            .map(|(path, other)| (path.clone(), other.clone()))
            .collect()
    }
}

/// The fields of a configuration, with their values.
fn fields(object: &Value) -> BTreeMap<FieldPath, Value> {
    let mut found = BTreeMap::new();
    collect(object, &mut Vec::new(), &mut found);
    found.retain(|path, _| {
        let first = path[0].as_str();
        let is_identifying =
            first == "metadata" && path.get(1).is_none_or(|name| IDENTIFYING.contains(&name.as_str()));
        !matches!(first, "apiVersion" | "kind") && !is_identifying
    });
    found
}

fn collect(value: &Value, path: &mut FieldPath, found: &mut BTreeMap<FieldPath, Value>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                path.push(name.clone());
                collect(member, path, found);
                path.pop();
            }
        }
        Value::Null => {}
        leaf if !path.is_empty() => drop(found.insert(path.clone(), leaf.clone())),
        _ => {}
    }
}

fn find<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

fn set(value: &mut Value, path: &[String], to: Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = to;
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    set(value.as_object_mut().unwrap().entry(first).or_insert(Value::Null), rest, to);
}

/// Removes a field, and the objects around it that become empty.
fn remove(value: &mut Value, path: &[String]) {
    let (Some((first, rest)), Some(members)) = (path.split_first(), value.as_object_mut()) else { return };
    if rest.is_empty() {
        members.remove(first);
    } else if let Some(member) = members.get_mut(first) {
        remove(member, rest);
        if member.as_object().is_some_and(Map::is_empty) {
            members.remove(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_manager_no_longer_applies_is_removed_and_what_others_own_stays() {
        let (mut live, mut ownership) = (json!({"metadata": {"name": "a"}}), FieldOwnership::default());
        ownership.apply("operator", &mut live, &json!({"data": {"x": "1", "y": "2"}}), false).unwrap();
        let edited = json!({"metadata": {"name": "a"}, "data": {"x": "1", "y": "2", "z": "3"}});
        ownership.record("kubectl", &live.clone(), &edited);
        live = edited;
        ownership.apply("operator", &mut live, &json!({"data": {"x": "1"}}), false).unwrap();
        assert_eq!(live, json!({"metadata": {"name": "a"}, "data": {"x": "1", "z": "3"}}));
    }

    #[test]
    fn a_field_that_another_manager_changed_is_a_conflict_until_it_is_forced() {
        let (mut live, mut ownership) = (json!({}), FieldOwnership::default());
        ownership.apply("operator", &mut live, &json!({"spec": {"image": "a"}}), false).unwrap();
        ownership.record("kubectl", &live.clone(), &json!({"spec": {"image": "b"}}));
        live = json!({"spec": {"image": "b"}});
        let refused = ownership.apply("operator", &mut live, &json!({"spec": {"image": "a"}}), false);
        assert_eq!(refused.unwrap_err().reason, "Conflict");
        ownership.apply("operator", &mut live, &json!({"spec": {"image": "a"}}), true).unwrap();
        assert_eq!(live, json!({"spec": {"image": "a"}}));
        ownership.apply("operator", &mut live, &json!({"spec": {"image": "c"}}), false).unwrap();
        assert_eq!(live, json!({"spec": {"image": "c"}}));
    }
}
