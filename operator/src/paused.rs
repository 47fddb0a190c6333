//! Objects that a person paused: nothing of them is written but the condition `Paused`.
//!
//! A paused object that is deleted is torn down as any other, and a paused Relay is still contacted.
//! Whoever deletes an object wants its access to end, and a pause must not keep keys valid.

use crds::condition::{Condition, Reason, Type};
use crds::label;
use kube::{Resource, ResourceExt as _};

use crate::apply::Child;
use crate::conditions::{self, Draft, HasConditions};
use crate::context::Context;
use crate::error::Result;
use crate::status_writer;

/// Whether the object is paused and not being deleted.
#[must_use]
pub fn is_paused(object: &impl Resource) -> bool {
    let is_marked = object.annotations().get(label::PAUSED).is_some_and(|value| value == "true");
    is_marked && object.meta().deletion_timestamp.is_none()
}

/// Says so in the object's status. Everything else in it stays as it is.
///
/// # Errors
/// Errors of the API server.
pub async fn report<K: HasConditions + Child>(context: &Context, object: &K) -> Result<()> {
    let conditions = conditions(object, context.now());
    status_writer::report(context, object, &object.with_conditions(conditions)).await
}

fn conditions<K: HasConditions + Resource>(object: &K, now: jiff::Timestamp) -> Vec<Condition> {
    let message = format!("the annotation {} stops all changes", label::PAUSED);
    let draft = Draft::holds(Type::Paused, Reason::Paused, message);
    let current = conditions::current(object);
    let others = current.iter().filter(|condition| condition.type_ != Type::Paused.as_str()).cloned();
    others.chain(conditions::merge(current, &[draft], object.meta().generation, now)).collect()
}

#[cfg(test)]
mod tests {
    use crds::Agent;

    use super::*;

    fn agent(annotation: &str, deleted: bool) -> Agent {
        let deletion = deleted.then_some("2026-01-01T00:00:00Z");
        serde_json::from_value(serde_json::json!({
            "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent",
            "metadata": {"name": "alice", "namespace": "team", "generation": 3, "deletionTimestamp": deletion,
                "annotations": {label::PAUSED: annotation}},
            "spec": {"tenantRef": {"name": "acme"}},
            "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "",
                "observedGeneration": 2, "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        }))
        .unwrap()
    }

    #[test]
    fn only_true_pauses_and_a_deletion_goes_on() {
        assert!(is_paused(&agent("true", false)));
        assert!(!is_paused(&agent("false", false)));
        assert!(!is_paused(&agent("true", true)), "its keys must be revoked");
    }

    #[test]
    fn a_pause_is_added_once_and_the_other_conditions_stay() {
        let mut paused = agent("true", false);
        let now = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        let first = conditions(&paused, now);
        assert_eq!(first.len(), 2);
        assert_eq!(first[0], paused.status.as_ref().unwrap().conditions[0]);
        assert_eq!((first[1].type_.as_str(), first[1].observed_generation), ("Paused", Some(3)));
        paused.status = Some(paused.with_conditions(first.clone()));
        let later = jiff::Timestamp::from_second(1_900_000_000).unwrap();
        assert_eq!(conditions(&paused, later), first, "an idle pause writes nothing");
    }
}
