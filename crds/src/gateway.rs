//! The MCP gateway of a Relay: one URL for the MCP endpoints of all its agents.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pod_template::PodTemplate;
use crate::public_url::PublicUrl;

/// One MCP URL for all agents of this relay. The gateway asks the relay for the agent of a
/// credential, and forwards the request to that agent's own endpoint. It stores nothing and holds
/// no agent's key, so it can have any number of pods.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.template) || !has(self.template.container) || !has(self.template.container.resources) || !has(self.replicas) || !has(self.replicas.max) || self.replicas.max <= self.replicas.min || (has(self.template.container.resources.requests) && 'cpu' in self.template.container.resources.requests) || (has(self.template.container.resources.limits) && 'cpu' in self.template.container.resources.limits)").message("resources need a CPU request where replicas.max is above replicas.min: the autoscaler measures against it"),
)]
pub struct Gateway {
    /// Whether the operator runs an MCP gateway for this relay. Its URL is in `status.gateway.url`.
    #[serde(default)]
    pub enabled: bool,
    /// The URL by which clients outside the cluster reach the gateway, of the form
    /// `https://host[:port]/mcp`, for example `https://mcp.example.com/mcp`. You provide the
    /// Ingress or Gateway in front of the Service. Access tokens are valid only for this URL, so
    /// everybody has to sign in again when it changes. Defaults to the URL inside the cluster.
    #[serde(default, rename = "publicURL", skip_serializing_if = "Option::is_none")]
    pub public_url: Option<PublicUrl>,
    /// The number of pods.
    #[serde(default)]
    pub replicas: Replicas,
    /// Parts of the gateway's pods, such as their resources, labels and node selector. Resources
    /// default to requests of 50m CPU and 32Mi memory, and a limit of 256Mi memory.
    #[serde(default, skip_serializing_if = "PodTemplate::is_default")]
    pub template: PodTemplate,
}

impl Gateway {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The number of pods of the gateway. If `max` is above `min`, a HorizontalPodAutoscaler sets it,
/// which needs a metrics server in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.max) || self.max >= self.min").message("replicas.max must not be below replicas.min"))]
pub struct Replicas {
    /// The minimum number of pods, from 1 to 50. A single pod means an interruption during an
    /// update, or when its node fails.
    #[serde(default = "default_min")]
    #[schemars(range(min = 1, max = 50))]
    pub min: i32,
    /// The maximum number of pods, from 1 to 50. Without it, there are `min` pods and no
    /// autoscaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub max: Option<i32>,
    /// The CPU usage that the autoscaler aims at, as a percentage of the pods' requests, from 1 to
    /// 500. It has no effect without an autoscaler.
    #[serde(default = "default_target", rename = "targetCPUUtilizationPercentage")]
    #[schemars(range(min = 1, max = 500))]
    pub target_cpu_utilization_percentage: i32,
}

impl Replicas {
    /// The maximum number of pods, if an autoscaler sets it.
    #[must_use]
    pub fn scaled_to(&self) -> Option<i32> {
        self.max.filter(|max| *max > self.min)
    }
}

impl Default for Replicas {
    fn default() -> Self {
        Self { min: default_min(), max: None, target_cpu_utilization_percentage: default_target() }
    }
}

/// One pod remains when a node fails.
const fn default_min() -> i32 {
    2
}

const fn default_target() -> i32 {
    70
}

/// The observed state of the gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// The URL of the gateway, for clients. It is the audience of access tokens.
    pub url: String,
    /// The number of ready pods.
    #[serde(default)]
    pub ready_replicas: i32,
}
