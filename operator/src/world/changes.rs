//! What of an object changed since its last event, so that our own status writes wake nobody.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::{Mutex, PoisonError};

use super::Ours;
use crate::key::Name;

/// Remembers a hash per object, so that a watch event of our own status write wakes nobody.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<HashMap<Name, (u64, u64)>>);

/// What of an object changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Changed {
    pub itself: bool,
    pub for_dependents: bool,
}

impl Changes {
    pub(super) fn note<K: Ours>(&self, object: &K) -> Changed {
        let meta = object.meta();
        let itself = hash(&(
            (&meta.uid, meta.generation, &meta.labels),
            (&meta.annotations, &meta.finalizers, meta.deletion_timestamp.is_some()),
        ));
        let for_dependents =
            hash(&(&meta.uid, meta.generation, meta.deletion_timestamp.is_some(), object.accepted()));
        let before = self.with(|map| map.insert(Name::of(object), (itself, for_dependents)));
        Changed {
            itself: before.is_none_or(|(found, _)| found != itself),
            for_dependents: before.is_none_or(|(_, found)| found != for_dependents),
        }
    }

    pub(super) fn forget(&self, name: &Name) {
        self.with(|map| map.remove(name));
    }

    pub(super) fn clear(&self) {
        self.with(HashMap::clear);
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Name, (u64, u64)>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(super) fn hash(value: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use crds::Tenant;

    use super::*;

    fn tenant(generation: i64, accepted: bool, version: &str) -> Tenant {
        let status = if accepted { "True" } else { "False" };
        serde_json::from_value(serde_json::json!({
            "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Tenant",
            "metadata": {"name": "acme", "namespace": "team", "uid": "1", "generation": generation, "resourceVersion": version},
            "spec": {"relayRef": {"name": "main"}},
            "status": {"conditions": [{"type": "Accepted", "status": status, "reason": "Accepted", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        }))
        .unwrap()
    }

    #[test]
    fn our_own_status_write_wakes_nobody_unless_others_depend_on_it() {
        let changes = Changes::default();
        assert_eq!(changes.note(&tenant(1, false, "1")), Changed { itself: true, for_dependents: true });
        assert_eq!(changes.note(&tenant(1, false, "2")), Changed { itself: false, for_dependents: false });
        assert_eq!(changes.note(&tenant(1, true, "3")), Changed { itself: false, for_dependents: true });
        assert_eq!(changes.note(&tenant(2, true, "4")), Changed { itself: true, for_dependents: true });
    }
}
