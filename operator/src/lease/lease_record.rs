//! The content of the Lease: what a holder writes, what a holder that leaves writes, and the term
//! that it stands for. Pure.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::core::ObjectMeta;
use protocol::admin::Term;

use super::lease_action::{LEASE_TTL, LeaseAction};

/// The Lease and this replica's name in it.
#[derive(Debug, Clone)]
pub(super) struct LeaseIdentity {
    pub name: String,
    pub namespace: String,
    pub holder: String,
}

impl LeaseIdentity {
    /// The Lease with this replica as its holder. Only a renewal keeps the number of transitions,
    /// so that every term differs from all before it.
    pub(super) fn record(&self, found: Option<&Lease>, action: LeaseAction, now: MicroTime) -> Lease {
        let before = found.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let is_renewal = action == LeaseAction::Renew;
        let is_new_term = !is_renewal && found.is_some();
        let transitions = before.lease_transitions.unwrap_or(0).saturating_add(i32::from(is_new_term));
        let metadata = found.map_or_else(|| self.metadata(), |lease| lease.metadata.clone());
        let spec = LeaseSpec {
            holder_identity: Some(self.holder.clone()),
            lease_duration_seconds: i32::try_from(LEASE_TTL.as_secs()).ok(),
            acquire_time: if is_renewal { before.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        };
        Lease { metadata, spec: Some(spec) }
    }

    fn metadata(&self) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            ..ObjectMeta::default()
        }
    }

    /// The Lease without a holder. `None` if this replica does not hold it.
    pub(super) fn released(&self, found: Option<Lease>) -> Option<Lease> {
        let mut lease = found?;
        let spec = lease.spec.as_mut()?;
        if spec.holder_identity.as_deref() != Some(&self.holder) {
            return None;
        }
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        Some(lease)
    }
}

/// The term that a written Lease stands for.
pub(super) fn term(lease: &Lease) -> Term {
    let created = lease.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second());
    let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0);
    Term {
        lease_created: u64::try_from(created).unwrap_or(0),
        transitions: u64::try_from(transitions).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> LeaseIdentity {
        LeaseIdentity { name: "operator".into(), namespace: "system".into(), holder: "me".into() }
    }

    fn lease(holder: &str, transitions: i32) -> Lease {
        serde_json::from_value(serde_json::json!({
            "metadata": {"resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"holderIdentity": holder, "leaseTransitions": transitions},
        }))
        .unwrap()
    }

    fn transitions(found: Option<&Lease>, action: LeaseAction) -> Option<i32> {
        let now = MicroTime(jiff::Timestamp::UNIX_EPOCH);
        identity().record(found, action, now).spec.unwrap().lease_transitions
    }

    #[test]
    fn only_a_renewal_keeps_the_term() {
        let held = lease("me", 4);
        assert_eq!(transitions(Some(&held), LeaseAction::Renew), Some(4));
        assert_eq!(transitions(Some(&held), LeaseAction::Acquire), Some(5), "a new term of the same holder");
        assert_eq!(transitions(Some(&lease("other", 4)), LeaseAction::Acquire), Some(5));
        assert_eq!(transitions(None, LeaseAction::Create), Some(0));
    }

    #[test]
    fn the_term_is_when_the_lease_was_created_and_how_often_it_changed_hands() {
        assert_eq!(term(&lease("me", 4)), Term { lease_created: 1_767_225_600, transitions: 4 });
    }

    #[test]
    fn only_the_holder_releases_a_lease() {
        assert!(identity().released(None).is_none());
        assert!(identity().released(Some(lease("other", 4))).is_none());
        assert!(identity().released(Some(lease("", 4))).is_none());
        let released = identity().released(Some(lease("me", 4))).unwrap();
        let spec = released.spec.unwrap();
        assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some(""), Some(4)));
        assert_eq!(released.metadata.resource_version.as_deref(), Some("7"), "written with its version");
    }
}
