//! The MCP gateway of a Relay: one URL under which people and programs reach every agent of that Relay that has an MCP endpoint.

use k8s_openapi::api::core::v1::ResourceRequirements;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One MCP URL for all agents of this relay. The gateway asks the relay whom a presented credential speaks for and passes the request on to
/// that agent's own endpoint; it keeps nothing and holds no agent's key, so it can have any number of pods.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.resources) || !has(self.replicas) || !has(self.replicas.max) || self.replicas.max <= self.replicas.min || (has(self.resources.requests) && 'cpu' in self.resources.requests) || (has(self.resources.limits) && 'cpu' in self.resources.limits)").message("resources need a CPU request where replicas.max is above replicas.min: the autoscaler measures against it"),
)]
pub struct Gateway {
    /// Whether the operator runs one, beside the relay. Its URL is `status.mcp.url`.
    #[serde(default)]
    pub enabled: bool,
    /// `https://host[:port]/mcp` under which clients reach it from outside, through an Ingress or a Gateway of yours in front of its
    /// Service, for example `https://mcp.example.com/mcp`. Access tokens are for this URL alone: a change makes everybody sign in again.
    /// Left out, the address inside the cluster.
    #[serde(default, rename = "publicURL", skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 512),
        regex(pattern = "^https://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[1-9][0-9]{0,4})?/mcp$")
    )]
    #[x_kube(validation = Rule::new("!self.endsWith(':443/mcp')").message("leave :443 out of publicURL: clients compare it byte for byte with what they find"))]
    pub public_url: Option<String>,
    /// How many pods it has.
    #[serde(default)]
    pub replicas: Replicas,
    /// Resources of its container; left out, requests of 50m CPU and 32Mi memory and a limit of 256Mi memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

impl Gateway {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Pods of the gateway. Where `max` is above `min`, a HorizontalPodAutoscaler decides, which needs a metrics server in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.max) || self.max >= self.min").message("replicas.max must not be below replicas.min"))]
pub struct Replicas {
    /// Fewest pods; 1 to 50. With one, an update or the loss of a node is an interruption.
    #[serde(default = "default_min")]
    #[schemars(range(min = 1, max = 50))]
    pub min: i32,
    /// Most pods; 1 to 50. Left out, as many as `min`, without an autoscaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub max: Option<i32>,
    /// CPU in use, as a percentage of what the pods request, that the autoscaler aims at; 1 to 500. Without one it has no effect.
    #[serde(default = "default_target", rename = "targetCPUUtilizationPercentage")]
    #[schemars(range(min = 1, max = 500))]
    pub target_cpu_utilization_percentage: i32,
}

impl Replicas {
    /// The most pods, where an autoscaler decides how many there are.
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

/// An update or the loss of a node leaves one.
const fn default_min() -> i32 {
    2
}

const fn default_target() -> i32 {
    70
}

/// What the operator saw of the gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// Its URL: what people paste into a client, and the audience of access tokens.
    pub url: String,
    /// Its pods that serve.
    #[serde(default)]
    pub ready_replicas: i32,
}
