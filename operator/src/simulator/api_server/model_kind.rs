//! The kinds that the model API server serves.

/// One kind with what distinguishes its behaviour.
#[derive(Debug)]
pub(crate) struct ModelKind {
    pub(crate) group: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) version: &'static str,
    /// Whether a change of anything but metadata and status increments the generation.
    pub(crate) has_generation: bool,
}

const fn kind(group: &'static str, plural: &'static str, kind: &'static str) -> ModelKind {
    ModelKind { group, plural, kind, version: "v1", has_generation: true }
}

const fn without_generation(group: &'static str, plural: &'static str, kind: &'static str) -> ModelKind {
    ModelKind { group, plural, kind, version: "v1", has_generation: false }
}

const fn custom(plural: &'static str, kind: &'static str) -> ModelKind {
    ModelKind { group: crds::GROUP, plural, kind, version: "v1alpha1", has_generation: true }
}

/// Every kind, in no particular order.
pub(crate) static MODEL_KINDS: [ModelKind; 19] = [
    custom("relays", "Relay"),
    custom("tenants", "Tenant"),
    custom("agents", "Agent"),
    without_generation("", "namespaces", "Namespace"),
    without_generation("", "secrets", "Secret"),
    without_generation("", "services", "Service"),
    without_generation("", "configmaps", "ConfigMap"),
    without_generation("", "serviceaccounts", "ServiceAccount"),
    without_generation("", "persistentvolumeclaims", "PersistentVolumeClaim"),
    without_generation("", "pods", "Pod"),
    without_generation("", "nodes", "Node"),
    kind("apps", "statefulsets", "StatefulSet"),
    kind("apps", "deployments", "Deployment"),
    ModelKind {
        version: "v2",
        ..without_generation("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
    },
    kind("networking.k8s.io", "networkpolicies", "NetworkPolicy"),
    kind("policy", "poddisruptionbudgets", "PodDisruptionBudget"),
    kind("discovery.k8s.io", "endpointslices", "EndpointSlice"),
    without_generation("coordination.k8s.io", "leases", "Lease"),
    without_generation("events.k8s.io", "events", "Event"),
];

// Every kind is an element of one static array, so that comparing addresses is enough.
impl PartialEq for ModelKind {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for ModelKind {}

impl Ord for ModelKind {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        std::ptr::from_ref(self).cmp(&std::ptr::from_ref(other))
    }
}

impl PartialOrd for ModelKind {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl ModelKind {
    pub(crate) fn find(group: &str, plural: &str) -> Option<&'static Self> {
        MODEL_KINDS.iter().find(|kind| kind.group == group && kind.plural == plural)
    }

    /// The kind with this name.
    pub(crate) fn named(name: &str) -> &'static Self {
        MODEL_KINDS.iter().find(|kind| kind.kind == name).unwrap()
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.into() } else { format!("{}/{}", self.group, self.version) }
    }

    pub(crate) fn is_namespaced(&self) -> bool {
        !matches!(self.plural, "namespaces" | "nodes")
    }

    /// Whether the status is written through a subresource only.
    pub(crate) fn has_status(&self) -> bool {
        self.has_generation
            || matches!(
                self.plural,
                "namespaces" | "pods" | "persistentvolumeclaims" | "horizontalpodautoscalers"
            )
    }
}
