//! `Relay`: one relay, its domain, its store and who may use it. Written by the platform team.

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::consent::AllowedFrom;
use crate::gateway::{Gateway, GatewayStatus};
use crate::oauth::{OAuth, OAuthStatus};

/// A relay: the server that agents connect to, with its domain, its store and its consent.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "msg2agent.xyz",
    version = "v1alpha1",
    kind = "Relay",
    plural = "relays",
    shortname = "m2r",
    category = "m2a",
    namespaced,
    status = "RelayStatus",
    derive = "PartialEq",
    doc = "A relay: the server that agents connect to, with its domain, its store and its consent.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')").message("the name of a Relay is a DNS label that starts with a letter and has at most 40 characters, because Services are named after it"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domain"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(name = "Tenants", type_ = "integer", json_path = ".status.tenants"),
    printcolumn(name = "Agents", type_ = "integer", json_path = ".status.agents"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url", priority = 1),
    printcolumn(name = "MCP", type_ = "string", json_path = ".status.mcp.url", priority = 1),
    printcolumn(name = "Cert", type_ = "string", json_path = ".status.certificate.notAfter", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct RelaySpec {
    /// DNS name in the DIDs of this relay's agents: `did:wba:<domain>:agent:<tenant>:<name>`. Cannot change, because every
    /// agent's name contains it.
    #[schemars(length(min = 3, max = 200))]
    #[x_kube(
        validation = Rule::new("self == oldSelf").message("domain is immutable: every agent's DID contains it"),
        validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$') && !self.matches('^[0-9.]+$')").message("domain must be a lower-case DNS name with a dot, not an address"),
    )]
    pub domain: String,
    /// Image of the relay; left out, the one the operator was installed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// Where messages and registrations are kept. Cannot change.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("store is immutable: moving a store is a new Relay"))]
    pub store: Store,
    /// Which namespaces may hold Tenants of this relay.
    #[serde(default)]
    pub tenants: Tenants,
    /// The authorization server in the relay, where people sign in for MCP endpoints.
    #[serde(default, skip_serializing_if = "OAuth::is_default")]
    pub oauth: OAuth,
    /// One MCP URL for all agents of this relay.
    #[serde(default, skip_serializing_if = "Gateway::is_default")]
    pub mcp: Gateway,
    /// The NetworkPolicies around the pods of the relay and of its MCP gateway.
    #[serde(default)]
    pub network_policy: NetworkPolicy,
    /// Resources of the relay container; left out, requests of 50m CPU and 64Mi memory and a limit of 512Mi memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Log filter of the relay, for example `info` or `info,msg2agent_relay=debug`; left out, `info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[-A-Za-z0-9_,=:\\[\\]{}.]+$"))]
    pub log_filter: Option<String>,
    /// OTLP endpoint (HTTP, protobuf) that receives the traces of the relay and of its MCP gateway, for example `http://otel-collector.observability:4318`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = "^https?://[^\\s]+$"))]
    pub otlp_endpoint: Option<String>,
    /// Seconds a relay pod that is told to stop gives its agents to move away; 0 to 600.
    #[serde(default = "default_drain_timeout_seconds")]
    #[schemars(range(min = 0, max = 600))]
    pub drain_timeout_seconds: u32,
}

const fn default_drain_timeout_seconds() -> u32 {
    20
}

/// A container image. Left-out members are those the operator was installed with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.tag) && has(self.digest))").message("tag or digest, not both"))]
pub struct Image {
    /// Repository without tag, for example `ghcr.io/msg2agent/relay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 255),
        regex(pattern = "^[a-z0-9]([-a-z0-9._/]*[a-z0-9])?(:[0-9]+/[-a-z0-9._/]*[a-z0-9])?$")
    )]
    pub repository: Option<String>,
    /// Tag. A digest is safer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9._-]*$"))]
    pub tag: Option<String>,
    /// Digest, `sha256:` and 64 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// When the kubelet pulls the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
}

/// `imagePullPolicy` of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl PullPolicy {
    /// The word Kubernetes uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// Where a relay keeps its state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    /// SQLite inside the relay, on a PersistentVolumeClaim. One replica.
    #[serde(default)]
    pub embedded: Embedded,
}

/// The embedded store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Embedded {
    /// The volume behind it. It outlives the Relay: deleting the Relay keeps the claim.
    #[serde(default)]
    pub volume: Volume,
}

/// A claim for a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Size as a Kubernetes quantity.
    #[serde(default = "default_volume_size")]
    #[schemars(length(max = 20), regex(pattern = "^[1-9][0-9]*(Mi|Gi|Ti)$"))]
    pub size: String,
    /// StorageClass; left out, the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
}

impl Default for Volume {
    fn default() -> Self {
        Self { size: default_volume_size(), storage_class_name: None }
    }
}

fn default_volume_size() -> String {
    "1Gi".to_owned()
}

/// The relay's side of the consent with Tenants.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tenants {
    /// Namespaces whose Tenants may use this relay.
    #[serde(default)]
    pub allowed_from: AllowedFrom,
}

/// Settings of the NetworkPolicies of the relay and of its MCP gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// Whether the operator makes them. The relay's admits everybody to the public port and only the operator to the admin port; out, the
    /// relay reaches names, its traces' receiver, and https for clients' documents and the identity provider. The gateway's admits everybody
    /// to its public port; out, the gateway reaches names, the traces' receiver, the relay and MCP endpoints.
    #[serde(default = "enabled")]
    pub enabled: bool,
}

impl Default for NetworkPolicy {
    fn default() -> Self {
        Self { enabled: true }
    }
}

const fn enabled() -> bool {
    true
}

/// What the operator saw of a Relay.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RelayStatus {
    /// Generation of the spec this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// WebSocket URL for agents inside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Build that the relay reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Relay pods that serve.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Version of tenants, agents and keys that every ready replica applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programmed_version: Option<i64>,
    /// Accepted Tenants.
    #[serde(default)]
    pub tenants: i32,
    /// Accepted Agents of those Tenants.
    #[serde(default)]
    pub agents: i32,
    /// The serving certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// The authorization server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OAuthStatus>,
    /// The MCP gateway, with `mcp.enabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<GatewayStatus>,
    /// Accepted, Programmed, Available, CertificateReady, McpReady (with `mcp.enabled`), Ready; DeletionBlocked, Reconciling, Stalled while
    /// they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The relay's serving certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// When it expires. The operator renews it when a third of its life is left.
    pub not_after: Time,
}
