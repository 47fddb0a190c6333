//! The kind `Tenant`: isolates a team's agents on a relay. The team or the platform team writes it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::consent::AllowedFrom;
use crate::deletion_policy::DeletionPolicy;
use crate::duration::Duration;
use crate::reference::RelayRef;

/// A tenant of a relay. Agents of different tenants cannot find or reach each other.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "msg2agent.xyz",
    version = "v1alpha1",
    kind = "Tenant",
    plural = "tenants",
    shortname = "m2t",
    category = "m2a",
    namespaced,
    status = "TenantStatus",
    derive = "PartialEq",
    doc = "A tenant of a relay. Agents of different tenants cannot find or reach each other.",
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')").message("the name of a Tenant is a DNS label of at most 63 characters"),
    validation = Rule::new("has(self.spec.tenantId) || !(self.metadata.name in ['system', 'gateway', 'relay', 'mcp', 'operator'])").message("the Tenant's name is its tenant id and this one is reserved; choose another name or set tenantId"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Relay", type_ = "string", json_path = ".spec.relayRef.name"),
    printcolumn(name = "Agents", type_ = "integer", json_path = ".status.agents"),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend"),
    printcolumn(name = "TenantID", type_ = "string", json_path = ".status.tenantId", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.tenantId) == has(oldSelf.tenantId) && (!has(self.tenantId) || self.tenantId == oldSelf.tenantId)").message("tenantId is immutable: every agent's DID contains it"))]
pub struct TenantSpec {
    /// The Relay that this tenant uses. It may move to another Relay object of the same domain,
    /// because the domain is part of every agent's DID.
    pub relay_ref: RelayRef,
    /// The tenant's id in the DIDs of its agents. The id `default` is left out of DIDs. Defaults to
    /// the name of this object. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && !(self in ['system', 'gateway', 'relay', 'mcp', 'operator'])").message("tenantId is 1 to 63 characters of a-z, 0-9 and -, no dash at either end, and not reserved (system, gateway, relay, mcp, operator)"))]
    pub tenant_id: Option<String>,
    /// The name that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub display_name: Option<String>,
    /// The Agents that may join.
    #[serde(default)]
    pub agents: Agents,
    /// People who may sign in to MCP endpoints of this tenant's agents with an account of the
    /// relay's OpenID provider. People who are removed from the list lose access at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["account"]))]
    pub people: Vec<Person>,
    /// Invitations for people without such an account. The code of an invitation is in the Secret
    /// `<name>-invitation-<invitation>` of this namespace and can be used once. Removing an
    /// invitation revokes the access of the person who used it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub invitations: Vec<Invitation>,
    /// Whether the relay keeps the tenant and its agents when this object is deleted. `Retain`
    /// revokes every key and keeps the agents with their mailboxes, and a Tenant with the same id
    /// takes them over. `Purge` deletes them.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Suspends every agent of the tenant. While this is true, the relay refuses their keys and
    /// closes their sessions.
    #[serde(default)]
    pub suspend: bool,
}

/// The tenant's consent to Agents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agents {
    /// The namespaces whose Agents may join this tenant.
    #[serde(default)]
    pub allowed_from: AllowedFrom,
    /// The maximum number of Agents. Those that the relay has keep their places, and the oldest of
    /// the others get what is left. Defaults to no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max: Option<u32>,
}

/// A person who may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// The e-mail address that the provider has verified, or the provider's subject identifier
    /// (`sub`).
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[!-~]+$"))]
    pub account: String,
    /// The handles of the agents whose endpoints this person may use.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub agents: Vec<String>,
}

/// An invitation: a code with which one person can sign in once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// The name of the invitation. It is part of the Secret's name.
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The handle of the agent whose endpoint the person may use.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub agent: String,
    /// How long the code is valid after it was created, for example `168h`. At most 30 days.
    #[serde(default = "default_valid_for")]
    #[x_kube(validation = Rule::new("duration(self) > duration('0s') && duration(self) <= duration('720h')").message("validFor must be a duration such as 168h, at most 720h"))]
    pub valid_for: Duration,
}

fn default_valid_for() -> Duration {
    Duration::from("168h")
}

/// The observed state of an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationStatus {
    /// The name of the invitation.
    pub name: String,
    /// The state of the invitation. `Waiting`: the agent is not accepted or has no MCP endpoint, or
    /// the relay has not confirmed the invitation yet. `Open`: the code is valid, unless it was
    /// used. `Expired`: the code is no longer valid; a person who used it before keeps access.
    pub state: InvitationState,
    /// The Secret with the code.
    pub secret_name: String,
    /// When the code expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Time>,
}

/// The state of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InvitationState {
    Waiting,
    Open,
    Expired,
}

/// The observed state of a Tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// The generation of the spec that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The tenant's id in the DIDs of its agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// The number of accepted Agents.
    #[serde(default)]
    pub agents: i32,
    /// The state of each invitation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub invitations: Vec<InvitationStatus>,
    /// Conditions: Accepted, Programmed and Ready. DeletionBlocked, Suspended, Paused, Reconciling
    /// and Stalled are present only while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
