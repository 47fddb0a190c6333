//! The parts of a pod that the author of a Relay or an Agent can set: an allow-list. The program's
//! own labels, settings and security context stay the operator's.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, EnvVar, LocalObjectReference, ResourceRequirements, Toleration, TopologySpreadConstraint,
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parts of a pod that its author can set. Labels, annotations and the security context of the
/// operator win over these.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplate {
    /// Labels and annotations of the pods.
    #[serde(default, skip_serializing_if = "PodMetadata::is_default")]
    pub metadata: PodMetadata,
    /// Scheduling of the pods, and credentials of image registries.
    #[serde(default, skip_serializing_if = "PodSettings::is_default")]
    pub spec: PodSettings,
    /// The container of the program.
    #[serde(default, skip_serializing_if = "ContainerTemplate::is_default")]
    pub container: ContainerTemplate,
    /// The ServiceAccount of the pods.
    #[serde(default, skip_serializing_if = "ServiceAccountTemplate::is_default")]
    pub service_account: ServiceAccountTemplate,
}

impl PodTemplate {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Labels and annotations of pods, for example for a service mesh.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodMetadata {
    /// Labels of the pods. A label that the operator sets keeps the operator's value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pods. An annotation that the operator sets keeps the operator's value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl PodMetadata {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Scheduling of pods, and credentials of image registries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodSettings {
    /// Labels of the nodes on which the pods may run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that the pods tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Toleration>,
    /// Which nodes and which neighbours the pods prefer or require.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// How the pods are spread over nodes and zones. Replaces the spread that the operator sets for
    /// a gateway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// The PriorityClass of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// Secrets with credentials of image registries, in addition to those in the operator's
    /// settings. They are in the namespace of the pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub image_pull_secrets: Vec<LocalObjectReference>,
}

impl PodSettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The container of a program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerTemplate {
    /// Resources of the container. They replace the operator's defaults as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// More environment variables, for example for a proxy. They replace variables of the same name
    /// from the operator's settings. Names that start with `MSG2AGENT_` belong to the operator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[x_kube(validation = Rule::new("self.all(variable, !variable.name.startsWith('MSG2AGENT_'))").message("names of variables that start with MSG2AGENT_ belong to the operator"))]
    pub env: Vec<EnvVar>,
}

impl ContainerTemplate {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The ServiceAccount of pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountTemplate {
    /// Annotations of the ServiceAccount, for example for the identity of a cloud provider.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl ServiceAccountTemplate {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
