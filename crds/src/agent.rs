//! `Agent`: one agent with its name, its keys and its MCP endpoint. Written by a developer.

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::TenantRef;
use crate::relay::Volume;

/// An agent: its DID, its credentials Secret, what others see of it, and its MCP endpoint.
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
    doc = "An agent: its DID, its credentials Secret, what others see of it, and its MCP endpoint.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')").message("the name of an Agent is a DNS label that starts with a letter and has at most 40 characters, because Services are named after it"),
    validation = Rule::new("has(self.spec.handle) || !(self.metadata.name in ['default', 'system', 'gateway', 'relay', 'mcp', 'operator'])").message("the Agent's name is its handle and this one is reserved; choose another name or set handle"),
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
    validation = Rule::new("!oldSelf.mcp.enabled || self.mcp.volume == oldSelf.mcp.volume").message("mcp.volume is immutable while mcp is enabled"),
)]
pub struct AgentSpec {
    /// The Tenant this agent belongs to. Cannot change.
    #[x_kube(validation = Rule::new("self == oldSelf").message("tenantRef is immutable"))]
    pub tenant_ref: TenantRef,
    /// Last part of the agent's DID, unique in its tenant; left out, the name of this object. Cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && !(self in ['default', 'system', 'gateway', 'relay', 'mcp', 'operator'])").message("handle is 1 to 63 characters of a-z, 0-9 and -, no dash at either end, and not reserved (default, system, gateway, relay, mcp, operator)"))]
    pub handle: Option<String>,
    /// Name on the agent's card; left out, the handle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub display_name: Option<String>,
    /// What the agent does, on its card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub description: Option<String>,
    /// What other agents find this one by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub capabilities: Vec<Capability>,
    /// Who finds the agent without knowing its DID. `Tenant`: every agent of its tenant. `Hidden`: nobody.
    #[serde(default)]
    pub discovery: Discovery,
    /// Who holds the agent's private keys. Cannot change.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("identity is immutable: a DID belongs to its root key"))]
    pub identity: Identity,
    /// The Secret with the agent's API key, and how the key rotates.
    #[serde(default)]
    pub credentials: Credentials,
    /// The agent's MCP endpoint, for Claude and every other MCP client.
    #[serde(default)]
    pub mcp: Mcp,
    /// Stops the agent: the relay refuses its keys and closes its session until it is false again.
    #[serde(default)]
    pub suspend: bool,
}

/// Something an agent can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capability {
    /// What others search for, for example `plan.create`.
    #[schemars(length(min = 1, max = 128))]
    pub id: String,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub name: Option<String>,
}

/// Who finds an agent without knowing its DID.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Discovery {
    #[default]
    Tenant,
    Hidden,
}

/// Who holds an agent's private keys: exactly one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.managed) != has(self.external)").message("exactly one of managed and external"))]
pub struct Identity {
    /// The operator makes the keys and keeps them in the Secret `<name>-identity` of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<Managed>,
    /// The keys were made elsewhere, for example by `m2a keygen`; the cluster never sees the private ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
}

impl Default for Identity {
    fn default() -> Self {
        Self { managed: Some(Managed {}), external: None }
    }
}

/// Keys made by the operator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Managed {}

/// Keys made elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct External {
    /// The agent's public root key, an Ed25519 Multikey (`z6Mk...`). The relay accepts registrations of this key only.
    #[schemars(length(min = 40, max = 64), regex(pattern = "^z6Mk[1-9A-HJ-NP-Za-km-z]+$"))]
    pub root_key_multibase: String,
}

/// Where the API key is and how it rotates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretName) == has(oldSelf.secretName) && (!has(self.secretName) || self.secretName == oldSelf.secretName)").message("secretName is immutable: pods mount it"))]
pub struct Credentials {
    /// Secret in this namespace that the operator writes; left out, `<name>-relay`. A Secret of that name that is not the
    /// operator's is never touched. Cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub secret_name: Option<String>,
    /// How the API key rotates.
    #[serde(default)]
    pub rotation: Rotation,
}

/// Rotation of the API key: the new key works before the Secret changes, the old one until `overlap` has passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// How long the old key stays valid after the Secret has the new one, for example `24h`, `90m` or `0s`; at most 30 days.
    #[serde(default = "default_overlap")]
    #[schemars(length(min = 2, max = 16), regex(pattern = "^([0-9]{1,4}h)?([0-9]{1,4}m)?([0-9]{1,6}s)?$"))]
    #[x_kube(validation = Rule::new("duration(self) <= duration('720h')").message("overlap is a duration such as 24h, 90m or 0s, at most 720h"))]
    pub overlap: String,
    /// Any new value rotates the key once; the value handled last is in `status.lastHandledRotation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub requested_rotation: Option<String>,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { overlap: default_overlap(), requested_rotation: None }
    }
}

fn default_overlap() -> String {
    "24h".to_owned()
}

/// The MCP endpoint of an agent. Who may sign in to it stands in the Tenant: `spec.people` and `spec.invitations`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mcp {
    /// Whether the operator runs one, in this namespace. Its URL is `status.mcpURL`.
    #[serde(default)]
    pub enabled: bool,
    /// `https://host[:port]/mcp` under which clients reach it from outside, through an Ingress or a Gateway of yours in front of its
    /// Service, for example `https://alice.mcp.example.com/mcp`. Access tokens are for this URL alone. Left out, the address inside the cluster.
    #[serde(default, rename = "publicURL", skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 512),
        regex(pattern = "^https://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[1-9][0-9]{0,4})?/mcp$")
    )]
    #[x_kube(validation = Rule::new("!self.endsWith(':443/mcp')").message("leave :443 out of publicURL: clients compare it byte for byte with what they find"))]
    pub public_url: Option<String>,
    /// Its volume, with the agent's inbox and tasks; it goes with the endpoint. Cannot change while that is enabled.
    #[serde(default)]
    pub volume: Volume,
    /// Resources of its container; left out, requests of 20m CPU and 32Mi memory and a limit of 256Mi memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

/// What the operator saw of an Agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// Generation of the spec this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The agent's name on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub did: Option<String>,
    /// WebSocket URL of its relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// URL of its MCP endpoint, with `mcp.enabled`.
    #[serde(default, rename = "mcpURL", skip_serializing_if = "Option::is_none")]
    pub mcp_url: Option<String>,
    /// URL of its Relay's MCP gateway, which leads to this endpoint too, with `mcp.enabled` here and in the Relay.
    #[serde(default, rename = "mcpGatewayURL", skip_serializing_if = "Option::is_none")]
    pub mcp_gateway_url: Option<String>,
    /// Secret with its API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// Secret with its private keys, with `identity.managed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_secret_name: Option<String>,
    /// API keys that the relay accepts or is about to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["keyId"]))]
    pub keys: Vec<Key>,
    /// The value of `credentials.rotation.requestedRotation` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_rotation: Option<String>,
    /// Accepted, CredentialsReady, Programmed, McpReady (with `mcp.enabled`), Ready; Suspended, Reconciling, Stalled while they
    /// are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// One API key of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// `k_` and the first 12 hex digits of the key's SHA-256.
    pub key_id: String,
    /// `Staged`: on its way to the relay. `Active`: the one in the Secret. `Retiring`: still accepted until `notAfter`.
    pub state: KeyState,
    /// When the relay stops accepting it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Time>,
}

/// Where an API key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KeyState {
    Staged,
    Active,
    Retiring,
}
