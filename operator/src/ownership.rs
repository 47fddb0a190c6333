//! Decides whether an object in the cluster may be written by one of its possible owners. Pure.

use std::collections::BTreeMap;

use crds::label;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

/// Whose an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// The owner has it already.
    Ours,
    /// It has our labels and no living owner: it was restored, or its owner was deleted without
    /// it.
    Adoptable,
    /// Somebody else has it. It is never written.
    Foreign,
}

/// Decides whose `found` is. `owner` is the uid of the object that wants it, and `desired` the
/// labels that it would have.
#[must_use]
pub fn ownership(
    found: &ObjectMeta,
    owner: &str,
    desired: &BTreeMap<String, String>,
    is_living: impl Fn(&OwnerReference) -> bool,
) -> Ownership {
    let owners = found.owner_references.as_deref().unwrap_or_default();
    if owners.iter().any(|reference| reference.uid == owner) {
        return Ownership::Ours;
    }
    let is_abandoned = !owners.iter().any(is_living);
    if is_abandoned && has_our_labels(found.labels.as_ref(), desired) {
        return Ownership::Adoptable;
    }
    Ownership::Foreign
}

/// Whether the labels that name the manager, the owner and the purpose are those of `desired`.
fn has_our_labels(found: Option<&BTreeMap<String, String>>, desired: &BTreeMap<String, String>) -> bool {
    let compared = [label::MANAGED_BY, label::RELAY, label::TENANT, label::AGENT, label::SECRET_KIND];
    let Some(found) = found else { return false };
    found.get(label::MANAGED_BY).is_some_and(|manager| manager == label::MANAGER)
        && compared.iter().all(|key| found.get(*key) == desired.get(*key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labels(agent: &str) -> serde_json::Value {
        json!({label::MANAGED_BY: label::MANAGER, label::AGENT: agent})
    }

    fn decide(labels_found: serde_json::Value, owners: &[&str]) -> Ownership {
        let references: Vec<_> = owners
            .iter()
            .map(|uid| json!({"apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent", "name": "a", "uid": uid}))
            .collect();
        let found = json!({"labels": labels_found, "ownerReferences": references});
        let desired = serde_json::from_value(labels("alice")).unwrap();
        ownership(&serde_json::from_value(found).unwrap(), "me", &desired, |owner| owner.uid == "living")
    }

    #[test]
    fn what_has_our_reference_is_ours() {
        assert_eq!(decide(labels("alice"), &["me"]), Ownership::Ours);
        assert_eq!(decide(json!({}), &["living", "me"]), Ownership::Ours);
    }

    #[test]
    fn what_was_restored_or_orphaned_is_adopted() {
        assert_eq!(decide(labels("alice"), &[]), Ownership::Adoptable);
        assert_eq!(decide(labels("alice"), &["dead"]), Ownership::Adoptable);
    }

    #[test]
    fn what_has_another_living_owner_or_other_labels_is_foreign() {
        assert_eq!(decide(labels("alice"), &["living"]), Ownership::Foreign);
        assert_eq!(decide(labels("alice"), &["dead", "living"]), Ownership::Foreign);
        assert_eq!(decide(labels("bob"), &[]), Ownership::Foreign);
        assert_eq!(decide(json!({label::AGENT: "alice"}), &[]), Ownership::Foreign, "not our manager");
        assert_eq!(decide(json!({}), &[]), Ownership::Foreign);
    }

    #[test]
    fn a_relays_object_is_not_adopted_by_an_agent_of_the_same_name() {
        let of_relay = json!({label::MANAGED_BY: label::MANAGER, label::RELAY: "alice"});
        assert_eq!(decide(of_relay, &[]), Ownership::Foreign);
    }
}
