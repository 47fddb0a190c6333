//! Decides to whom an object belongs that exists under a name of the operator. Pure.
//!
//! Backups bring objects back without owner references, or with those of owners that no longer
//! exist, and `kubectl delete --cascade=orphan` leaves them without an owner. Such an object is
//! adopted if the operator made it for the same purpose and its content fits.

use std::collections::BTreeMap;

use crds::label;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::ResourceExt as _;

/// To whom an object belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// The operator made it for this purpose and this owner.
    Ours,
    /// The operator made it for this purpose, and no owner is alive.
    Orphan,
    Foreign,
}

/// To whom `secret` belongs. `is_alive` tells whether the object of an owner reference exists.
#[must_use]
pub fn of_secret(
    secret: &Secret,
    kind: &str,
    owner_uid: &str,
    is_alive: impl Fn(&OwnerReference) -> bool,
) -> Ownership {
    if label::is_ours(secret, kind, owner_uid) {
        return Ownership::Ours;
    }
    let is_of_this_kind = secret.labels().get(label::SECRET_KIND).is_some_and(|found| found == kind);
    if is_of_this_kind && !secret.owner_references().iter().any(is_alive) {
        Ownership::Orphan
    } else {
        Ownership::Foreign
    }
}

/// Decides whose `found` is. `owner` is the uid of the object that wants it, and `desired` the
/// labels that it would have.
#[must_use]
pub fn of_object(
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
        return Ownership::Orphan;
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
    use super::*;

    fn secret(kind: Option<&str>, owners: &[&str]) -> Secret {
        let references: Vec<_> = owners
            .iter()
            .map(|uid| serde_json::json!({"apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent", "name": "alice", "uid": uid}))
            .collect();
        let labels = kind.map(|kind| serde_json::json!({label::SECRET_KIND: kind}));
        let metadata =
            serde_json::json!({"name": "alice-identity", "labels": labels, "ownerReferences": references});
        serde_json::from_value(serde_json::json!({"metadata": metadata})).unwrap()
    }

    fn ownership(secret: &Secret) -> Ownership {
        of_secret(secret, label::SECRET_IDENTITY, "own", |reference| reference.uid == "living")
    }

    #[test]
    fn a_secret_without_a_living_owner_is_an_orphan() {
        assert_eq!(ownership(&secret(Some(label::SECRET_IDENTITY), &["own"])), Ownership::Ours);
        assert_eq!(ownership(&secret(Some(label::SECRET_IDENTITY), &[])), Ownership::Orphan);
        assert_eq!(ownership(&secret(Some(label::SECRET_IDENTITY), &["dead"])), Ownership::Orphan);
    }

    #[test]
    fn a_secret_of_a_living_owner_or_of_another_purpose_is_foreign() {
        assert_eq!(ownership(&secret(Some(label::SECRET_IDENTITY), &["living"])), Ownership::Foreign);
        assert_eq!(ownership(&secret(Some(label::SECRET_IDENTITY), &["dead", "living"])), Ownership::Foreign);
        assert_eq!(ownership(&secret(Some(label::SECRET_CREDENTIALS), &[])), Ownership::Foreign);
        assert_eq!(ownership(&secret(None, &[])), Ownership::Foreign);
    }

    fn labels(agent: &str) -> serde_json::Value {
        serde_json::json!({label::MANAGED_BY: label::MANAGER, label::AGENT: agent})
    }

    fn decide_object(labels_found: serde_json::Value, owners: &[&str]) -> Ownership {
        let references: Vec<_> = owners
            .iter()
            .map(|uid| serde_json::json!({"apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent", "name": "a", "uid": uid}))
            .collect();
        let found = serde_json::json!({"labels": labels_found, "ownerReferences": references});
        let desired = serde_json::from_value(labels("alice")).unwrap();
        of_object(&serde_json::from_value(found).unwrap(), "me", &desired, |owner| owner.uid == "living")
    }

    #[test]
    fn what_has_our_reference_is_ours() {
        assert_eq!(decide_object(labels("alice"), &["me"]), Ownership::Ours);
        assert_eq!(decide_object(serde_json::json!({}), &["living", "me"]), Ownership::Ours);
    }

    #[test]
    fn what_was_restored_or_orphaned_is_adopted() {
        assert_eq!(decide_object(labels("alice"), &[]), Ownership::Orphan);
        assert_eq!(decide_object(labels("alice"), &["dead"]), Ownership::Orphan);
    }

    #[test]
    fn what_has_another_living_owner_or_other_labels_is_foreign() {
        assert_eq!(decide_object(labels("alice"), &["living"]), Ownership::Foreign);
        assert_eq!(decide_object(labels("alice"), &["dead", "living"]), Ownership::Foreign);
        assert_eq!(decide_object(labels("bob"), &[]), Ownership::Foreign);
        assert_eq!(
            decide_object(serde_json::json!({label::AGENT: "alice"}), &[]),
            Ownership::Foreign,
            "not our manager"
        );
        assert_eq!(decide_object(serde_json::json!({}), &[]), Ownership::Foreign);
    }

    #[test]
    fn a_relays_object_is_not_adopted_by_an_agent_of_the_same_name() {
        let of_relay = serde_json::json!({label::MANAGED_BY: label::MANAGER, label::RELAY: "alice"});
        assert_eq!(decide_object(of_relay, &[]), Ownership::Foreign);
    }
}
