//! Fingerprints of applied objects. A different fingerprint means that somebody else changed the
//! object.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crds::label;
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use serde_json::Value;

use crate::object_key::{Kind, NamespacedName, ObjectKey};

/// Kinds whose fingerprint is a hash of their spec, because an autoscaler or its controller writes
/// to them all the time. The fingerprint of other kinds is their generation, or their
/// resourceVersion without one.
const HASHED_BY_SPEC: [&str; 2] = ["Deployment", "HorizontalPodAutoscaler"];

/// The state of an owned object, without what changes during normal operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) uid: Box<str>,
    /// The reconciled object that the labels name.
    pub(crate) owner: Option<ObjectKey>,
    /// The uids of the owner references.
    owner_uids: Vec<Box<str>>,
    state: State,
    /// Number of pods of a Deployment. An autoscaler may own the field.
    replicas: Option<i64>,
}

/// What changes when the content does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Generation(i64),
    ResourceVersion(Box<str>),
    SpecHash(u64),
}

impl Fingerprint {
    pub(crate) fn from_object<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Self {
        let meta = object.meta();
        let (state, replicas) = match spec(object) {
            Some((hash, replicas)) => (State::SpecHash(hash), replicas),
            None => (state(object), None),
        };
        Self {
            uid: meta.uid.clone().unwrap_or_default().into(),
            owner: labelled_owner(object),
            owner_uids: object.owner_references().iter().map(|owner| owner.uid.as_str().into()).collect(),
            state,
            replicas,
        }
    }

    /// Whether nobody else changed the object. The number of pods counts only if the operator owns
    /// it.
    pub(super) fn matches(&self, seen: &Self, owns_replicas: bool) -> bool {
        let same_number = !owns_replicas || self.replicas == seen.replicas;
        let same_owners = self.owner_uids == seen.owner_uids && self.owner == seen.owner;
        same_number && same_owners && self.uid == seen.uid && self.state == seen.state
    }

    /// The resourceVersion, of kinds whose content it stands for.
    pub(super) fn resource_version(&self) -> Option<&str> {
        match &self.state {
            State::ResourceVersion(version) => Some(version),
            State::Generation(_) | State::SpecHash(_) => None,
        }
    }

    /// Whether the object with this uid owns it.
    pub(crate) fn is_owned_by(&self, uid: &str) -> bool {
        self.owner_uids.iter().any(|found| **found == *uid)
    }
}

fn state(object: &impl Resource) -> State {
    let meta = object.meta();
    let version = || State::ResourceVersion(meta.resource_version.clone().unwrap_or_default().into());
    meta.generation.map_or_else(version, State::Generation)
}

/// The owner of an owned object, which its labels name.
pub(crate) fn labelled_owner(object: &impl Resource) -> Option<ObjectKey> {
    let kinds = [(label::RELAY, Kind::Relay), (label::TENANT, Kind::Tenant), (label::AGENT, Kind::Agent)];
    let namespace = object.meta().namespace.as_deref().unwrap_or_default();
    let owner = |(key, kind): (&str, Kind)| {
        let name = object.labels().get(key)?;
        Some(NamespacedName::new(namespace, name).key(kind))
    };
    kinds.into_iter().find_map(owner)
}

/// The hash of the spec without the number of pods, and that number. `None` for other kinds.
fn spec<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Option<(u64, Option<i64>)> {
    if !HASHED_BY_SPEC.contains(&&*K::kind(&())) {
        return None;
    }
    let mut spec = serde_json::to_value(object).ok()?.get_mut("spec").map(Value::take)?;
    let replicas = spec.as_object_mut()?.remove("replicas").and_then(|number| number.as_i64());
    let mut hasher = DefaultHasher::new();
    spec.to_string().hash(&mut hasher);
    Some((hasher.finish(), replicas))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
    use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
    use k8s_openapi::api::core::v1::Secret;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;

    fn fingerprint<K: Resource<DynamicType = ()> + Serialize + DeserializeOwned>(
        object: Value,
    ) -> Fingerprint {
        Fingerprint::from_object(&serde_json::from_value::<K>(object).unwrap())
    }

    fn deployment(generation: i64, replicas: i32, image: &str, ready: i32) -> Fingerprint {
        let pod = json!({"spec": {"containers": [{"name": "gateway", "image": image}]}});
        fingerprint::<Deployment>(json!({"metadata": {"uid": "1", "generation": generation},
            "spec": {"replicas": replicas, "selector": {}, "template": pod}, "status": {"readyReplicas": ready}}))
    }

    #[test]
    fn a_workloads_status_is_not_a_foreign_change_but_a_secrets_content_is() {
        let set = |version: &str| {
            fingerprint::<StatefulSet>(
                json!({"metadata": {"uid": "1", "generation": 3, "resourceVersion": version}}),
            )
        };
        assert_eq!(set("7"), set("8"));
        assert_eq!(deployment(3, 2, "a", 0), deployment(3, 2, "a", 2));
        let secret = |version: &str| {
            fingerprint::<Secret>(json!({"metadata": {"uid": "1", "resourceVersion": version}}))
        };
        assert_ne!(secret("7"), secret("8"));
    }

    #[test]
    fn a_lost_owner_reference_is_a_foreign_change() {
        let set = |owners: Value| {
            fingerprint::<StatefulSet>(
                json!({"metadata": {"uid": "1", "generation": 3, "ownerReferences": owners}}),
            )
        };
        let owned = set(
            json!([{"apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Relay", "name": "main", "uid": "7"}]),
        );
        assert!(owned.is_owned_by("7") && !owned.is_owned_by("8"));
        assert!(!owned.matches(&set(json!([])), false));
    }

    #[test]
    fn a_scaled_deployment_is_a_foreign_change_only_if_we_own_the_number_of_pods() {
        let (before, scaled) = (deployment(3, 2, "a", 2), deployment(4, 7, "a", 2));
        assert!(before.matches(&scaled, false));
        assert!(!before.matches(&scaled, true));
        assert!(!before.matches(&deployment(4, 2, "b", 2), false), "another image is a change");
    }

    #[test]
    fn an_autoscalers_measurements_are_not_a_foreign_change_but_its_limits_are() {
        let autoscaler = |version: &str, max: i32, now: i32| {
            fingerprint::<HorizontalPodAutoscaler>(
                json!({"metadata": {"uid": "1", "resourceVersion": version},
                "spec": {"maxReplicas": max, "scaleTargetRef": {"kind": "Deployment", "name": "main-gateway"}},
                "status": {"desiredReplicas": now}}),
            )
        };
        assert_eq!(autoscaler("7", 5, 2), autoscaler("8", 5, 3));
        assert_ne!(autoscaler("7", 5, 2), autoscaler("8", 6, 2));
    }
}
