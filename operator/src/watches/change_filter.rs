//! Filters watch events, so that the operator's own status writes do not trigger reconciles.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::{Mutex, PoisonError};

use super::reconciled_kind::ReconciledKind;
use crate::object_key::NamespacedName;

/// Two hashes for each object: of what its own reconcile depends on, and of what its dependents
/// depend on.
#[derive(Debug, Default)]
pub(super) struct ChangeFilter(Mutex<HashMap<NamespacedName, (u64, u64)>>);

/// What an event changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub for_itself: bool,
    pub for_dependents: bool,
}

impl ChangeFilter {
    /// Compares the object with its last event and remembers it.
    pub(super) fn update<K: ReconciledKind>(&self, object: &K) -> Change {
        let meta = object.meta();
        let for_itself = hash(&(
            (&meta.uid, meta.generation, &meta.labels),
            (&meta.annotations, &meta.finalizers, meta.deletion_timestamp.is_some()),
        ));
        let for_dependents =
            hash(&(&meta.uid, meta.generation, meta.deletion_timestamp.is_some(), object.is_accepted()));
        let name = NamespacedName::from_object(object);
        let before = self.with(|map| map.insert(name, (for_itself, for_dependents)));
        Change {
            for_itself: before.is_none_or(|(found, _)| found != for_itself),
            for_dependents: before.is_none_or(|(_, found)| found != for_dependents),
        }
    }

    pub(super) fn forget(&self, name: &NamespacedName) {
        self.with(|map| map.remove(name));
    }

    pub(super) fn clear(&self) {
        self.with(HashMap::clear);
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<NamespacedName, (u64, u64)>) -> T) -> T {
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
    fn our_own_status_write_enqueues_nothing_unless_others_depend_on_it() {
        let filter = ChangeFilter::default();
        let change = |for_itself, for_dependents| Change { for_itself, for_dependents };
        assert_eq!(filter.update(&tenant(1, false, "1")), change(true, true));
        assert_eq!(filter.update(&tenant(1, false, "2")), change(false, false));
        assert_eq!(filter.update(&tenant(1, true, "3")), change(false, true));
        assert_eq!(filter.update(&tenant(2, true, "4")), change(true, true));
    }
}
