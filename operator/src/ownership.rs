//! Decides to whom a Secret belongs that exists under a name of the operator.
//!
//! Backups bring Secrets back without owner references, or with those of objects that no longer
//! exist, and `kubectl delete --cascade=orphan` leaves them without an owner. Such a Secret is
//! adopted if the operator made it for the same purpose and its content fits.

use crds::{Agent, Relay, Tenant, label};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt as _};

use crate::caches::Caches;
use crate::object_key::NamespacedName;

/// To whom a Secret belongs.
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

/// Whether the object of an owner reference exists. An owner of a kind that the operator does not
/// watch counts as alive.
#[must_use]
pub fn is_alive(caches: &Caches, namespace: &str, reference: &OwnerReference) -> bool {
    if !reference.api_version.starts_with(&format!("{}/", crds::GROUP)) {
        return true;
    }
    let name = NamespacedName::new(namespace, &reference.name);
    let has_uid = |uid: Option<String>| uid.as_deref() == Some(&reference.uid);
    match reference.kind.as_str() {
        kind if kind == Relay::kind(&()) => caches.relay(&name).is_some_and(|found| has_uid(found.uid())),
        kind if kind == Tenant::kind(&()) => caches.tenant(&name).is_some_and(|found| has_uid(found.uid())),
        kind if kind == Agent::kind(&()) => caches.agent(&name).is_some_and(|found| has_uid(found.uid())),
        _ => true,
    }
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
}
