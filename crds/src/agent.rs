//! The kind `Agent`: one agent with its DID, its keys and its MCP endpoint. Developers write it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema, ResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::deletion_policy::DeletionPolicy;
use crate::duration::Duration;
use crate::name;
use crate::pod_template::PodTemplate;
use crate::public_url::PublicUrl;
use crate::reference::TenantRef;
use crate::relay::NetworkPolicy;
use crate::volume::Volume;

/// An agent: its DID, its credentials Secret, its card, and its MCP endpoint.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "msg2agent.xyz",
    version = "v1alpha1",
    kind = "Agent",
    plural = "agents",
    shortname = "m2ag",
    category = "m2a",
    namespaced,
    status = "AgentStatus",
    derive = "PartialEq",
    doc = "An agent: its DID, its credentials Secret, its card, and its MCP endpoint.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')").message("the name of an Agent is a DNS label that starts with a letter and has at most 40 characters, because Services are named after it"),
    validation = Rule::new("has(self.spec.handle) || !(self.metadata.name in ['default', 'system', 'gateway', 'relay', 'mcp', 'operator'])").message("the Agent's name is its handle and this one is reserved; choose another name or set handle"),
    validation = Rule::new("['-mcp', '-gateway', '-pods'].all(suffix, !self.metadata.name.endsWith(suffix))").message("names that end in -mcp, -gateway or -pods are reserved for objects that the operator creates"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenantRef.name"),
    printcolumn(name = "DID", type_ = "string", json_path = ".status.did"),
    printcolumn(name = "MCP", type_ = "string", json_path = ".status.mcpURL", priority = 1),
    printcolumn(name = "Gateway", type_ = "string", json_path = ".status.mcpGatewayURL", priority = 1),
    printcolumn(name = "Secret", type_ = "string", json_path = ".status.secretName", priority = 1),
    printcolumn(name = "Keys", type_ = "string", json_path = ".status.keys[*].keyId", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.handle) == has(oldSelf.handle) && (!has(self.handle) || self.handle == oldSelf.handle)").message("handle is immutable: it is part of the agent's DID"),
    validation = Rule::new("!self.mcp.enabled || has(self.identity.managed)").message("the MCP endpoint holds the agent's keys, so it needs identity.managed"),
    validation = Rule::new("!oldSelf.mcp.enabled || (has(self.mcp.volume.storageClassName) == has(oldSelf.mcp.volume.storageClassName) && (!has(self.mcp.volume.storageClassName) || self.mcp.volume.storageClassName == oldSelf.mcp.volume.storageClassName))").message("mcp.volume.storageClassName is immutable while mcp is enabled"),
    validation = Rule::new("!oldSelf.mcp.enabled || quantity(self.mcp.volume.size).compareTo(quantity(oldSelf.mcp.volume.size)) >= 0").message("mcp.volume.size may only grow while mcp is enabled"),
)]
pub struct AgentSpec {
    /// The Tenant that this agent belongs to. It may move to another Tenant object if the agent's
    /// DID stays the same. The operator refuses a move that would change it.
    pub tenant_ref: TenantRef,
    /// The last part of the agent's DID, which is unique in its tenant. The protocol calls it the
    /// agent's name. Defaults to the name of this object. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && !(self in ['default', 'system', 'gateway', 'relay', 'mcp', 'operator'])").message("handle is 1 to 63 characters of a-z, 0-9 and -, no dash at either end, and not reserved (default, system, gateway, relay, mcp, operator)"))]
    pub handle: Option<String>,
    /// The display name on the agent's card. Defaults to the handle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub display_name: Option<String>,
    /// Describes on the agent's card what the agent does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub description: Option<String>,
    /// Capabilities by which other agents find this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub capabilities: Vec<Capability>,
    /// Controls who can find the agent without knowing its DID. With `Tenant`, every agent of its
    /// tenant can find it. With `Hidden`, nobody can.
    #[serde(default)]
    pub discovery: Discovery,
    /// The holder of the agent's private keys. Immutable.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("identity is immutable: a DID belongs to its root key"))]
    pub identity: Identity,
    /// The Secret with the agent's API key, and the rotation of the key.
    #[serde(default)]
    pub credentials: Credentials,
    /// The agent's MCP endpoint, for Claude and other MCP clients.
    #[serde(default)]
    pub mcp: Mcp,
    /// Whether the agent's identity, mailbox and volume are kept when this object is deleted.
    /// `Retain` revokes every key and keeps the rest, and an Agent with the same DID in this
    /// namespace continues with the same keys. `Purge` deletes everything.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Suspends the agent. While this is true, the relay refuses the agent's keys and closes its
    /// session.
    #[serde(default)]
    pub suspend: bool,
}

impl Agent {
    /// The name of the credentials Secret.
    #[must_use]
    pub fn credentials_secret_name(&self) -> String {
        let default = || name::agent_credentials(&self.name_any());
        self.spec.credentials.secret_name.clone().unwrap_or_else(default)
    }
}

/// Something that an agent can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capability {
    /// The id that other agents search for, for example `plan.create`.
    #[schemars(length(min = 1, max = 128))]
    pub id: String,
    /// The name that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub name: Option<String>,
}

/// Controls who can find an agent without knowing its DID.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Discovery {
    #[default]
    Tenant,
    Hidden,
}

/// The holder of the agent's private keys. Exactly one member is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.managed) != has(self.external)").message("set exactly one of managed and external"))]
pub struct Identity {
    /// The operator generates the keys and stores them in the Secret `<name>-identity` of this
    /// namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<Managed>,
    /// The keys were generated elsewhere, for example by `m2a keygen`. The private keys never enter
    /// the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
}

impl Default for Identity {
    fn default() -> Self {
        Self { managed: Some(Managed {}), external: None }
    }
}

/// Keys that the operator generates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Managed {}

/// Keys that were generated elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct External {
    /// The agent's public root key, an Ed25519 Multikey (`z6Mk...`). The relay accepts only
    /// registrations signed by this key.
    #[schemars(length(min = 40, max = 64), regex(pattern = "^z6Mk[1-9A-HJ-NP-Za-km-z]+$"))]
    pub root_key_multibase: String,
}

/// The Secret with the API key, and the rotation of the key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretName) == has(oldSelf.secretName) && (!has(self.secretName) || self.secretName == oldSelf.secretName)").message("secretName is immutable: pods mount it"))]
pub struct Credentials {
    /// The Secret in this namespace that the operator writes. Defaults to `<name>-relay`. The
    /// operator never changes a Secret of that name that belongs to somebody else. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub secret_name: Option<String>,
    /// The rotation of the API key.
    #[serde(default)]
    pub rotation: Rotation,
}

/// Rotation of the API key. The new key is valid before the Secret changes, and the old key until
/// `overlap` ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// How long the old key stays valid after the Secret has the new one, for example `24h`, `90m`
    /// or `0s`. At most 30 days.
    #[serde(default = "default_overlap")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('720h')").message("overlap must be a duration such as 24h, 90m or 0s, at most 720h"))]
    pub overlap: Duration,
    /// Every new value rotates the API key once, and the signing and encryption keys of a managed
    /// identity. With an `overlap` of `0s`, the old keys end at once. `status.lastHandledRotation`
    /// has the last value that was handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub requested_rotation: Option<String>,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { overlap: default_overlap(), requested_rotation: None }
    }
}

fn default_overlap() -> Duration {
    Duration::from("24h")
}

/// The MCP endpoint of an agent. The Tenant's `spec.people` and `spec.invitations` say who may sign
/// in to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mcp {
    /// Whether the operator runs an MCP endpoint in this namespace. Its URL is in `status.mcpURL`.
    #[serde(default)]
    pub enabled: bool,
    /// The URL by which clients outside the cluster reach the endpoint, of the form
    /// `https://host[:port]/mcp`, for example `https://alice.mcp.example.com/mcp`. You provide the
    /// Ingress or Gateway in front of the Service, which connects to the endpoint by a name of its
    /// Service. The Relay's `publicHosts` must grant the host name to this agent. Access tokens are
    /// valid only for this URL. Defaults to the URL inside the cluster.
    #[serde(default, rename = "publicURL", skip_serializing_if = "Option::is_none")]
    pub public_url: Option<PublicUrl>,
    /// The volume with the agent's inbox and tasks. The `deletionPolicy` of the Agent says whether
    /// it outlives the endpoint.
    #[serde(default)]
    pub volume: Volume,
    /// The NetworkPolicy of the endpoint. It allows ingress on the HTTPS port from anywhere, and on
    /// the port with the metrics from the monitoring namespaces of the operator's settings. It
    /// allows egress to DNS and the agent's relay.
    #[serde(default)]
    pub network_policy: NetworkPolicy,
    /// Parts of the endpoint's pod, such as its resources, labels and node selector. Resources
    /// default to requests of 20m CPU and 32Mi memory, and a limit of 256Mi memory.
    #[serde(default, skip_serializing_if = "PodTemplate::is_default")]
    pub template: PodTemplate,
}

/// The observed state of an Agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// The generation of the spec that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The agent's DID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub did: Option<String>,
    /// The WebSocket URL of the agent's relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The URL of the agent's MCP endpoint. Set when `mcp.enabled` is true.
    #[serde(default, rename = "mcpURL", skip_serializing_if = "Option::is_none")]
    pub mcp_url: Option<String>,
    /// The URL of the Relay's MCP gateway, which forwards requests to this endpoint. Set when
    /// `mcp.enabled` is true here and `gateway.enabled` in the Relay.
    #[serde(default, rename = "mcpGatewayURL", skip_serializing_if = "Option::is_none")]
    pub mcp_gateway_url: Option<String>,
    /// The Secret with the agent's API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// The Secret with the agent's private keys. Set with `identity.managed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_secret_name: Option<String>,
    /// The agent's public root key, an Ed25519 Multikey. The operator never replaces the private
    /// key of a recorded root key by a new one without the annotation
    /// `msg2agent.xyz/confirm-new-identity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_key_multibase: Option<String>,
    /// The SHA-256 fingerprint of the relay's certificate authority in the credentials Secret, in
    /// lower-case hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_fingerprint: Option<String>,
    /// API keys that the relay accepts, or will accept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["keyId"]))]
    pub keys: Vec<Key>,
    /// The last value of `credentials.rotation.requestedRotation` that was handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_rotation: Option<String>,
    /// Conditions: Accepted, CredentialsReady, Programmed, McpReady (with `mcp.enabled`) and Ready.
    /// Suspended, Paused, Reconciling and Stalled are present only while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// One API key of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The id of the key: `k_` and the first 12 hex digits of its SHA-256.
    pub key_id: String,
    /// The state of the key. `Staged`: the relay has not confirmed it yet. `Active`: it is in the
    /// Secret. `Retiring`: it is valid until `notAfter`.
    pub state: KeyState,
    /// When the relay stops accepting the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Time>,
}

/// The state of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KeyState {
    Staged,
    Active,
    Retiring,
}
