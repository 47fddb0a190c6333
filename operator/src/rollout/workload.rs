//! StatefulSets and Deployments, as a rollout sees them. Pure.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::ResourceExt as _;

use super::stamp::{self, Origin, Stamp};
use crate::apply::Child;
use crate::caches::{self, Caches};
use crate::object_key::NamespacedName;

/// What was observed of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedWorkload {
    /// `None` on one that an older operator made.
    pub stamp: Option<Stamp>,
    /// Who caused the last change of its pod template.
    pub origin: Origin,
    /// Whether a pod serves.
    pub is_available: bool,
    /// Whether all pods serve and have the current template.
    pub is_settled: bool,
}

/// A kind of workload.
pub trait WorkloadKind: Child {
    fn pod_template(&self) -> Option<&PodTemplateSpec>;
    fn observed(&self) -> ObservedWorkload;
    fn cached(caches: &Caches, name: &NamespacedName) -> Option<Arc<Self>>;
}

/// The numbers of pods in a workload's status.
struct PodCounts {
    is_current: bool,
    wanted: i32,
    all: i32,
    updated: i32,
    available: i32,
}

impl WorkloadKind for StatefulSet {
    fn pod_template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref().map(|spec| &spec.template)
    }

    fn observed(&self) -> ObservedWorkload {
        let status = self.status.as_ref();
        let count = |number: Option<Option<i32>>| number.flatten().unwrap_or(0);
        observed(
            self,
            &PodCounts {
                is_current: status.and_then(|status| status.observed_generation) == self.metadata.generation,
                wanted: self.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
                all: status.map_or(0, |status| status.replicas),
                updated: count(status.map(|status| status.updated_replicas)),
                available: count(status.map(|status| status.available_replicas)),
            },
        )
    }

    fn cached(caches: &Caches, name: &NamespacedName) -> Option<Arc<Self>> {
        caches::find(&caches.stateful_sets, name)
    }
}

impl WorkloadKind for Deployment {
    fn pod_template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref().map(|spec| &spec.template)
    }

    fn observed(&self) -> ObservedWorkload {
        let status = self.status.as_ref();
        let count = |number: Option<Option<i32>>| number.flatten().unwrap_or(0);
        observed(
            self,
            &PodCounts {
                is_current: status.and_then(|status| status.observed_generation) == self.metadata.generation,
                wanted: self.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
                all: count(status.map(|status| status.replicas)),
                updated: count(status.map(|status| status.updated_replicas)),
                available: count(status.map(|status| status.available_replicas)),
            },
        )
    }

    fn cached(caches: &Caches, name: &NamespacedName) -> Option<Arc<Self>> {
        caches::find(&caches.deployments, name)
    }
}

fn observed(object: &impl kube::Resource, pods: &PodCounts) -> ObservedWorkload {
    let is_complete =
        pods.updated >= pods.wanted && pods.available >= pods.wanted && pods.all <= pods.updated;
    ObservedWorkload {
        stamp: Stamp::read(object.annotations()),
        origin: stamp::read_origin(object.annotations()),
        is_available: pods.available > 0,
        is_settled: pods.is_current && is_complete,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(generation: i64, status: serde_json::Value) -> ObservedWorkload {
        let spec = json!({"replicas": 1, "selector": {}, "template": {}, "serviceName": "x"});
        let object = json!({"metadata": {"generation": generation}, "spec": spec, "status": status});
        serde_json::from_value::<StatefulSet>(object).unwrap().observed()
    }

    #[test]
    fn a_stateful_set_is_settled_when_its_pod_has_the_current_template_and_serves() {
        let status = |updated: i32, available: i32| json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": updated, "availableReplicas": available});
        assert!(set(2, status(1, 1)).is_settled);
        assert!(!set(3, status(1, 1)).is_settled, "its controller has not seen the last change");
        assert!(!set(2, status(0, 1)).is_settled);
        assert!(!set(2, status(1, 0)).is_settled);
        let none = serde_json::from_value::<StatefulSet>(json!({"metadata": {}})).unwrap().observed();
        assert!(!none.is_settled && !none.is_available);
    }

    #[test]
    fn a_deployment_is_settled_when_no_pod_of_another_template_is_left() {
        let status = |all: i32| json!({"observedGeneration": 1, "replicas": all, "updatedReplicas": 2, "availableReplicas": 2});
        let observed = |all| {
            let object = json!({"metadata": {"generation": 1},
                "spec": {"replicas": 2, "selector": {}, "template": {}}, "status": status(all)});
            serde_json::from_value::<Deployment>(object).unwrap().observed()
        };
        assert!(observed(2).is_settled);
        assert!(!observed(3).is_settled);
        assert!(observed(3).is_available);
    }
}
