//! Drops what nothing reads before an object is kept in memory.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use kube::{Resource, ResourceExt as _};

/// Drops what the API server keeps itself: it takes no managed fields from whoever writes a status.
/// Annotations stay, because they are sent with the status.
pub(super) fn prune_managed_fields<K: Resource>(object: &mut K) {
    object.managed_fields_mut().clear();
}

/// Drops the large metadata that nothing here reads.
pub(super) fn prune<K: Resource>(object: &mut K) {
    prune_managed_fields(object);
    object.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
}

/// A workload. Reconciles read its status, its number of pods and its images.
pub(super) trait PrunableWorkload {
    fn same_status(&self, other: &Self) -> bool;

    /// Drops most of the template of the pods.
    fn prune_template(&mut self);
}

impl PrunableWorkload for StatefulSet {
    fn same_status(&self, other: &Self) -> bool {
        self.status == other.status
    }

    fn prune_template(&mut self) {
        let Some(spec) = &mut self.spec else { return };
        prune_pods(&mut spec.template);
    }
}

impl PrunableWorkload for Deployment {
    fn same_status(&self, other: &Self) -> bool {
        self.status == other.status
    }

    fn prune_template(&mut self) {
        let Some(spec) = &mut self.spec else { return };
        prune_pods(&mut spec.template);
    }
}

/// Keeps the metadata, and the names and images of the containers.
fn prune_pods(template: &mut PodTemplateSpec) {
    let Some(pod) = template.spec.take() else { return };
    let kept = |container: Container| Container {
        name: container.name,
        image: container.image,
        ..Container::default()
    };
    let containers = pod.containers.into_iter().map(kept).collect();
    template.spec = Some(PodSpec { containers, ..PodSpec::default() });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pruned_workload_still_tells_its_status_its_pods_and_its_images() {
        let mut set: StatefulSet = serde_json::from_value(json!({
            "metadata": {"name": "main", "managedFields": [{"manager": "x"}],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
            "spec": {"replicas": 2, "serviceName": "main", "selector": {}, "template": {
                "metadata": {"annotations": {"msg2agent.xyz/settings-hash": "1"}},
                "spec": {"containers": [{"name": "relay", "image": "relay:1", "env": [{"name": "A"}]}]}}},
            "status": {"replicas": 2, "readyReplicas": 1},
        }))
        .unwrap();
        let whole = set.clone();
        prune(&mut set);
        set.prune_template();
        assert!(set.same_status(&whole));
        assert_eq!(set.metadata.managed_fields, Some(vec![]));
        let spec = set.spec.unwrap();
        assert_eq!(spec.replicas, Some(2));
        assert_eq!(spec.template.metadata, whole.spec.unwrap().template.metadata);
        let container = &spec.template.spec.unwrap().containers[0];
        assert_eq!((container.image.as_deref(), container.env.as_deref()), (Some("relay:1"), None));
    }
}
