//! The kind `Relay`: one relay with its domain, its store and its consent. Platform teams write it.

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
    /// The DNS name in the DIDs of this relay's agents, `did:wba:<domain>:agent:<tenant>:<name>`.
    /// Immutable, because every agent's DID contains it.
    #[schemars(length(min = 3, max = 200))]
    #[x_kube(
        validation = Rule::new("self == oldSelf").message("domain is immutable: every agent's DID contains it"),
        validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$') && !self.matches('^[0-9.]+$')").message("domain must be a lower-case DNS name with a dot, not an address"),
    )]
    pub domain: String,
    /// The image of the relay. Defaults to the one in the operator's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// Where the relay stores messages and registrations. Immutable.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("store is immutable: moving a store is a new Relay"))]
    pub store: Store,
    /// The Tenants that may use this relay.
    #[serde(default)]
    pub tenants: Tenants,
    /// The relay's authorization server, where people sign in to MCP endpoints.
    #[serde(default, skip_serializing_if = "OAuth::is_default")]
    pub oauth: OAuth,
    /// One MCP URL for all agents of this relay.
    #[serde(default, skip_serializing_if = "Gateway::is_default")]
    pub mcp: Gateway,
    /// The NetworkPolicies of the relay and of its MCP gateway.
    #[serde(default)]
    pub network_policy: NetworkPolicy,
    /// Resources of the relay's container. Defaults to requests of 50m CPU and 64Mi memory, and a
    /// limit of 512Mi memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// The log filter of the relay, for example `info,msg2agent_relay=debug`. Defaults to `info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[-A-Za-z0-9_,=:\\[\\]{}.]+$"))]
    pub log_filter: Option<String>,
    /// The OTLP endpoint (HTTP, protobuf) for traces of the relay and of its MCP gateway, for
    /// example `http://otel-collector.observability:4318`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = "^https?://[^\\s]+$"))]
    pub otlp_endpoint: Option<String>,
    /// How many seconds a stopping relay pod gives its agents to reconnect elsewhere, from 0 to
    /// 600.
    #[serde(default = "default_drain_timeout_seconds")]
    #[schemars(range(min = 0, max = 600))]
    pub drain_timeout_seconds: u32,
}

const fn default_drain_timeout_seconds() -> u32 {
    20
}

/// A container image. Members that are not set default to those in the operator's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.tag) && has(self.digest))").message("set tag or digest, not both"))]
pub struct Image {
    /// The repository without the tag, for example `ghcr.io/msg2agent/relay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 255),
        regex(pattern = "^[a-z0-9]([-a-z0-9._/]*[a-z0-9])?(:[0-9]+/[-a-z0-9._/]*[a-z0-9])?$")
    )]
    pub repository: Option<String>,
    /// The tag. A digest is safer, because a tag can be moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9._-]*$"))]
    pub tag: Option<String>,
    /// The digest: `sha256:` and 64 hex digits.
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
    /// The value in Kubernetes objects.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// Where a relay stores its state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    /// SQLite in the relay, on a PersistentVolumeClaim. Allows one replica.
    #[serde(default)]
    pub embedded: Embedded,
}

/// The embedded store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Embedded {
    /// The volume of the store. It is kept when the Relay is deleted.
    #[serde(default)]
    pub volume: Volume,
}

/// A PersistentVolumeClaim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// The size as a Kubernetes quantity.
    #[serde(default = "default_volume_size")]
    #[schemars(length(max = 20), regex(pattern = "^[1-9][0-9]*(Mi|Gi|Ti)$"))]
    pub size: String,
    /// The StorageClass. Defaults to the cluster's default.
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

/// The relay's consent to Tenants.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tenants {
    /// The namespaces whose Tenants may use this relay.
    #[serde(default)]
    pub allowed_from: AllowedFrom,
}

/// Settings of the NetworkPolicies of the relay and of its MCP gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// Whether the operator creates NetworkPolicies. The relay's policy allows ingress on the
    /// public port from anywhere, and on the admin port from the operator only. It allows egress to
    /// DNS, the OTLP endpoint, the identity provider, and public addresses on port 443. The
    /// gateway's policy allows ingress on the public port from anywhere, and egress to DNS, the
    /// OTLP endpoint, the relay, and MCP endpoints in every namespace.
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

/// The observed state of a Relay.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RelayStatus {
    /// The generation of the spec that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The WebSocket URL for agents inside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The version of the relay's build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The number of ready relay pods.
    #[serde(default)]
    pub ready_replicas: i32,
    /// The version of tenants, agents and keys that every ready replica enforces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programmed_version: Option<i64>,
    /// The number of accepted Tenants.
    #[serde(default)]
    pub tenants: i32,
    /// The number of accepted Agents of those Tenants.
    #[serde(default)]
    pub agents: i32,
    /// The relay's serving certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// The relay's authorization server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OAuthStatus>,
    /// The relay's MCP gateway. Set when `mcp.enabled` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<GatewayStatus>,
    /// Conditions: Accepted, Programmed, Available, CertificateReady, McpReady (with `mcp.enabled`)
    /// and Ready. DeletionBlocked, Reconciling and Stalled are present only while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The relay's serving certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// When the certificate expires. The operator renews it when a third of its validity is left.
    pub not_after: Time,
}
