//! Decides what a change of an object means: for the object itself, for the priority of its next
//! pass, and for others. Pure.

use std::collections::BTreeMap;

use crds::{Agent, Relay, Tenant, label};
use kube::{Resource, ResourceExt as _};
use serde_json::Value;

use super::dependencies::{EDGES, Edge, Field};
use crate::conditions;
use crate::index::Indexed;
use crate::paused;
use crate::queue::Priority;

/// Annotations with this prefix tell the operator something.
const ANNOTATION_PREFIX: &str = "msg2agent.xyz/";

/// A kind that the operator reconciles, as far as a change of it matters.
pub(super) trait ReconciledKind: Indexed + Resource<DynamicType = ()> {
    /// The finalizer that the operator adds again when somebody removes it.
    const FINALIZER: Option<&'static str>;

    fn is_accepted(&self) -> bool;

    /// The number of Agents in its status.
    fn agents(&self) -> i32 {
        0
    }

    fn spec(&self) -> Value;

    /// Whether the change takes access away from somebody. `former` is `None` for an object that
    /// was not seen before.
    fn takes_access(&self, former: Option<&Self>) -> bool;
}

/// Whether the object must be reconciled. The operator's own writes of status and finalizers do not
/// count.
pub(super) fn concerns_itself<K: ReconciledKind>(former: Option<&K>, object: &K) -> bool {
    let Some(former) = former else { return true };
    let state = |object: &K| {
        let meta = object.meta();
        (meta.uid.clone(), meta.generation, meta.deletion_timestamp.is_some(), meta.labels.clone())
    };
    state(former) != state(object)
        || our_annotations(former) != our_annotations(object)
        || lost_finalizer(former, object)
        || (!has_finalizer(former, label::REVOCATION) && has_finalizer(object, label::REVOCATION))
}

fn our_annotations(object: &impl Resource) -> BTreeMap<&String, &String> {
    object.annotations().iter().filter(|(key, _)| key.starts_with(ANNOTATION_PREFIX)).collect()
}

fn lost_finalizer<K: ReconciledKind>(former: &K, object: &K) -> bool {
    K::FINALIZER
        .is_some_and(|finalizer| has_finalizer(former, finalizer) && !has_finalizer(object, finalizer))
}

fn has_finalizer(object: &impl Resource, finalizer: &str) -> bool {
    object.finalizers().iter().any(|found| found == finalizer)
}

/// The priority of the pass after this change.
pub(super) fn priority<K: ReconciledKind>(former: Option<&K>, object: &K) -> Priority {
    let is_deleting = |object: &K| object.meta().deletion_timestamp.is_some();
    let deletion_began = is_deleting(object) && !former.is_some_and(is_deleting);
    if deletion_began || object.takes_access(former) { Priority::Urgent } else { Priority::Normal }
}

/// The edges whose field changed. `None` stands for an object that does not exist.
pub(super) fn changed_edges<K: ReconciledKind>(former: Option<&K>, object: Option<&K>) -> Vec<&'static Edge> {
    let edges = EDGES.iter().filter(|edge| edge.kind == K::KIND);
    let (Some(former), Some(object)) = (former, object) else {
        let field = if object.is_some() { Field::Created } else { Field::Deleted };
        return edges.filter(|edge| edge.field == field).collect();
    };
    let is_same_object = former.meta().uid == object.meta().uid;
    let same_spec = is_same_object && former.meta().generation == object.meta().generation;
    let specs = (!same_spec).then(|| (former.spec(), object.spec()));
    let is_changed = |field: Field| match field {
        Field::Created | Field::Deleted => !is_same_object,
        Field::Deleting => {
            former.meta().deletion_timestamp.is_some() != object.meta().deletion_timestamp.is_some()
        }
        Field::Accepted => former.is_accepted() != object.is_accepted(),
        Field::Resumed => paused::is_paused(former) && !paused::is_paused(object),
        Field::AgentCount => former.agents() != object.agents(),
        Field::Spec(pointer) => {
            specs.as_ref().is_some_and(|(before, after)| before.pointer(pointer) != after.pointer(pointer))
        }
    };
    edges.filter(|edge| is_changed(edge.field)).collect()
}

impl ReconciledKind for Relay {
    const FINALIZER: Option<&'static str> = Some(label::IN_USE);

    fn is_accepted(&self) -> bool {
        true
    }

    fn spec(&self) -> Value {
        serde_json::to_value(&self.spec).unwrap_or_default()
    }

    fn takes_access(&self, _former: Option<&Self>) -> bool {
        false
    }
}

impl ReconciledKind for Tenant {
    const FINALIZER: Option<&'static str> = Some(label::TEARDOWN);

    fn agents(&self) -> i32 {
        self.status.as_ref().map_or(0, |status| status.agents)
    }

    fn is_accepted(&self) -> bool {
        conditions::is_accepted(self)
    }

    fn spec(&self) -> Value {
        serde_json::to_value(&self.spec).unwrap_or_default()
    }

    fn takes_access(&self, former: Option<&Self>) -> bool {
        let Some(former) = former else {
            let observed = self.status.as_ref().and_then(|status| status.observed_generation);
            return self.spec.suspend && observed != self.metadata.generation;
        };
        let is_kept = |name: &String| self.spec.invitations.iter().any(|kept| kept.name == *name);
        let began_suspension = self.spec.suspend && !former.spec.suspend;
        let moved = self.spec.relay_ref != former.spec.relay_ref;
        began_suspension || moved || !former.spec.invitations.iter().all(|before| is_kept(&before.name))
    }
}

impl ReconciledKind for Agent {
    const FINALIZER: Option<&'static str> = None;

    fn is_accepted(&self) -> bool {
        conditions::is_accepted(self)
    }

    fn spec(&self) -> Value {
        serde_json::to_value(&self.spec).unwrap_or_default()
    }

    fn takes_access(&self, former: Option<&Self>) -> bool {
        let rotation = &self.spec.credentials.rotation;
        // Rotation without an overlap is the answer to a leaked key.
        let ends_keys_at_once = rotation.overlap.as_secs() == Some(0);
        let Some(former) = former else {
            let status = self.status.as_ref();
            let is_observed =
                status.and_then(|status| status.observed_generation) == self.metadata.generation;
            let handled = status.and_then(|status| status.last_handled_rotation.as_ref());
            let is_rotation_due = ends_keys_at_once && rotation.requested_rotation.as_ref() != handled;
            return !is_observed && (self.spec.suspend || is_rotation_due);
        };
        let began_suspension = self.spec.suspend && !former.spec.suspend;
        let changed_rotation = *rotation != former.spec.credentials.rotation;
        let changed_root_key = self.spec.identity.external != former.spec.identity.external;
        let moved = self.spec.tenant_ref != former.spec.tenant_ref;
        began_suspension || (changed_rotation && ends_keys_at_once) || changed_root_key || moved
    }
}

#[cfg(test)]
mod tests;
