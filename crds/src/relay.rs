//! The kind `Relay`: one relay with its domain, its store and its consent. Platform teams write it.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::consent::AllowedFrom;
use crate::duration::Duration;
use crate::gateway::Gateway;
use crate::oauth::OAuth;
use crate::pod_template::PodTemplate;
use crate::public_host::PublicHost;
use crate::relay_limits::RelayLimits;
use crate::relay_status::RelayStatus;
use crate::store::Store;

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
    validation = Rule::new("['-mcp', '-gateway', '-pods'].all(suffix, !self.metadata.name.endsWith(suffix))").message("names that end in -mcp, -gateway or -pods are reserved for objects that the operator creates"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domain"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(name = "Tenants", type_ = "integer", json_path = ".status.tenants"),
    printcolumn(name = "Agents", type_ = "integer", json_path = ".status.agents"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url", priority = 1),
    printcolumn(name = "Gateway", type_ = "string", json_path = ".status.gateway.url", priority = 1),
    printcolumn(name = "Image", type_ = "string", json_path = ".status.image", priority = 1),
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
        validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$') && !self.matches('[.]([0-9]+|0x[0-9a-f]*)$')").message("domain must be a lower-case DNS name with a dot, not an address"),
    )]
    pub domain: String,
    /// The image of the relay. Defaults to the one in the operator's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// Where the relay stores messages and registrations.
    #[serde(default)]
    pub store: Store,
    /// The Tenants that may use this relay.
    #[serde(default)]
    pub tenants: Tenants,
    /// The relay's authorization server, where people sign in to MCP endpoints.
    #[serde(default, skip_serializing_if = "OAuth::is_default")]
    pub oauth: OAuth,
    /// One MCP URL for all agents of this relay.
    #[serde(default, skip_serializing_if = "Gateway::is_default")]
    pub gateway: Gateway,
    /// The host names of MCP endpoints that clients outside the cluster use. An Agent's
    /// `mcp.publicURL` needs an entry that grants its host name to that agent. The first entry that
    /// fits a host name decides. Defaults to none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub public_hosts: Vec<PublicHost>,
    /// The limits of the relay.
    #[serde(default, skip_serializing_if = "RelayLimits::is_default")]
    pub limits: RelayLimits,
    /// The NetworkPolicies of the relay and of its MCP gateway. The relay's policy allows ingress
    /// on the public port from anywhere, and on the admin port from the operator only. It allows
    /// egress to DNS, the OTLP endpoint, the identity provider, the proxy of the operator's
    /// settings, and public addresses on port 443. The gateway's policy allows ingress on the
    /// public port from anywhere, and egress to DNS, the OTLP endpoint, the relay, and MCP
    /// endpoints in every namespace. Both allow ingress on the port with the metrics from the
    /// monitoring namespaces of the operator's settings.
    #[serde(default)]
    pub network_policy: NetworkPolicy,
    /// Parts of the relay's pod, such as its resources, labels and node selector. Resources default
    /// to requests of 50m CPU and 64Mi memory, and a limit of 512Mi memory.
    #[serde(default, skip_serializing_if = "PodTemplate::is_default")]
    pub template: PodTemplate,
    /// The log filter of the relay, for example `info,msg2agent_relay=debug`. Defaults to `info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[-A-Za-z0-9_,=:\\[\\]{}.]+$"))]
    pub log_filter: Option<String>,
    /// The OTLP endpoint (HTTP, protobuf) for traces of the relay and of its MCP gateway, for
    /// example `http://otel-collector.observability:4318`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = "^https?://[^\\s]+$"))]
    pub otlp_endpoint: Option<String>,
    /// How long a stopping relay pod gives its agents to reconnect elsewhere, for example `20s`. At
    /// most 10 minutes.
    #[serde(default = "default_drain_timeout")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('600s')").message("drainTimeout must be a duration such as 20s, at most 600s"))]
    pub drain_timeout: Duration,
}

fn default_drain_timeout() -> Duration {
    Duration::from("20s")
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

/// The relay's consent to Tenants.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tenants {
    /// The namespaces whose Tenants may use this relay.
    #[serde(default)]
    pub allowed_from: AllowedFrom,
}

/// Settings of the NetworkPolicies of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// Whether the operator creates NetworkPolicies.
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
