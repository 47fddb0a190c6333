//! By what an owned object is known to be as it was applied. Pure.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use kube::Resource;
use serde::Serialize;
use serde_json::Value;

/// Kinds that an autoscaler or its controller writes to all the time: they are known by their spec. The others are known by their
/// generation, or their resourceVersion where they have none.
const KNOWN_BY_SPEC: [&str; 2] = ["Deployment", "HorizontalPodAutoscaler"];

/// The state of an owned object, as coarse as it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) uid: String,
    state: String,
    /// Of a Deployment. An autoscaler may own it.
    replicas: Option<i64>,
}

impl Mark {
    pub(super) fn of<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Self {
        let meta = object.meta();
        let version = || meta.resource_version.clone().unwrap_or_default();
        let uid = meta.uid.clone().unwrap_or_default();
        if let Some((state, replicas)) = spec(object) {
            return Self { uid, state, replicas };
        }
        let state = meta.generation.map_or_else(version, |generation| format!("g{generation}"));
        Self { uid, state, replicas: None }
    }

    /// Whether nobody else changed it since; a number of pods that is not ours does not count.
    pub(super) fn is_same(&self, seen: &Self, owns_replicas: bool) -> bool {
        let same_number = !owns_replicas || self.replicas == seen.replicas;
        same_number && self.uid == seen.uid && self.state == seen.state
    }
}

/// The spec of an object that is known by it, without the number of pods, and that number.
fn spec<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Option<(String, Option<i64>)> {
    if !KNOWN_BY_SPEC.contains(&&*K::kind(&())) {
        return None;
    }
    let mut spec = serde_json::to_value(object).ok()?.get_mut("spec").map(Value::take)?;
    let replicas = spec.as_object_mut()?.remove("replicas").and_then(|number| number.as_i64());
    let mut hasher = DefaultHasher::new();
    spec.to_string().hash(&mut hasher);
    Some((format!("s{:x}", hasher.finish()), replicas))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
    use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
    use k8s_openapi::api::core::v1::Secret;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;

    fn mark<K: Resource<DynamicType = ()> + Serialize + DeserializeOwned>(object: Value) -> Mark {
        Mark::of(&serde_json::from_value::<K>(object).unwrap())
    }

    fn deployment(generation: i64, replicas: i32, image: &str, ready: i32) -> Mark {
        let pod = json!({"spec": {"containers": [{"name": "gateway", "image": image}]}});
        mark::<Deployment>(json!({"metadata": {"uid": "1", "generation": generation},
            "spec": {"replicas": replicas, "selector": {}, "template": pod}, "status": {"readyReplicas": ready}}))
    }

    #[test]
    fn a_workloads_status_is_not_a_foreign_change_but_a_secrets_content_is() {
        let set = |version: &str| {
            mark::<StatefulSet>(
                json!({"metadata": {"uid": "1", "generation": 3, "resourceVersion": version}}),
            )
        };
        assert_eq!(set("7"), set("8"));
        assert_eq!(deployment(3, 2, "a", 0), deployment(3, 2, "a", 2));
        let secret =
            |version: &str| mark::<Secret>(json!({"metadata": {"uid": "1", "resourceVersion": version}}));
        assert_ne!(secret("7"), secret("8"));
    }

    #[test]
    fn what_an_autoscaler_makes_of_the_number_of_pods_is_a_foreign_change_only_where_the_number_is_ours() {
        let (before, scaled) = (deployment(3, 2, "a", 2), deployment(4, 7, "a", 2));
        assert!(before.is_same(&scaled, false));
        assert!(!before.is_same(&scaled, true));
        assert!(!before.is_same(&deployment(4, 2, "b", 2), false), "another image is a change");
    }

    #[test]
    fn an_autoscalers_measurements_are_not_a_foreign_change_but_its_limits_are() {
        let autoscaler = |version: &str, max: i32, now: i32| {
            mark::<HorizontalPodAutoscaler>(json!({"metadata": {"uid": "1", "resourceVersion": version},
                "spec": {"maxReplicas": max, "scaleTargetRef": {"kind": "Deployment", "name": "main-gateway"}},
                "status": {"desiredReplicas": now}}))
        };
        assert_eq!(autoscaler("7", 5, 2), autoscaler("8", 5, 3));
        assert_ne!(autoscaler("7", 5, 2), autoscaler("8", 6, 2));
    }
}
