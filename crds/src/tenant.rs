//! `Tenant`: a wall around a team's agents on a relay. Written by the team or the platform.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::consent::AllowedFrom;
use crate::reference::RelayRef;

/// A tenant of a relay: agents of different tenants do not see or reach each other.
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
    doc = "A tenant of a relay: agents of different tenants do not see or reach each other.",
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
    /// The Relay this tenant uses. Cannot change.
    #[x_kube(validation = Rule::new("self == oldSelf").message("relayRef is immutable"))]
    pub relay_ref: RelayRef,
    /// Id in the DIDs of the tenant's agents; left out, the name of this object. `default` is the tenant whose id is not
    /// written in DIDs. Cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && !(self in ['system', 'gateway', 'relay', 'mcp', 'operator'])").message("tenantId is 1 to 63 characters of a-z, 0-9 and -, no dash at either end, and not reserved (system, gateway, relay, mcp, operator)"))]
    pub tenant_id: Option<String>,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub display_name: Option<String>,
    /// Which Agents may join.
    #[serde(default)]
    pub agents: Agents,
    /// People who may sign in for MCP endpoints of this tenant's agents, by what the relay's OpenID provider says of them. Whoever is taken out
    /// loses access at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["account"]))]
    pub people: Vec<Person>,
    /// Invitations for people without an account there. Each code is in a Secret `<name>-invitation-<invitation>` of this namespace and works
    /// once. An entry taken out takes the access of whoever used it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub invitations: Vec<Invitation>,
    /// Stops every agent of the tenant: the relay refuses their keys and closes their sessions until it is false again.
    #[serde(default)]
    pub suspend: bool,
}

/// The tenant's side of the consent with Agents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agents {
    /// Namespaces whose Agents may join this tenant.
    #[serde(default)]
    pub allowed_from: AllowedFrom,
    /// Most Agents this tenant accepts; the oldest win. Left out, no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max: Option<u32>,
}

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// E-mail address that the provider has verified, or its subject (`sub`).
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[!-~]+$"))]
    pub account: String,
    /// Handles of the agents whose endpoints this person may use.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub agents: Vec<String>,
}

/// An invitation: a code that lets one person in, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// Names the invitation and its Secret.
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Handle of the agent whose endpoint it opens.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub agent: String,
    /// How long its code can be used, counted from when it was made, for example `168h`; at most 30 days.
    #[serde(default = "default_valid_for")]
    #[schemars(length(min = 2, max = 16), regex(pattern = "^([0-9]{1,4}h)?([0-9]{1,4}m)?([0-9]{1,6}s)?$"))]
    #[x_kube(validation = Rule::new("duration(self) > duration('0s') && duration(self) <= duration('720h')").message("validFor is a duration such as 168h, at most 720h"))]
    pub valid_for: String,
}

fn default_valid_for() -> String {
    "168h".to_owned()
}

/// Where an invitation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationStatus {
    /// As in the spec.
    pub name: String,
    /// `Waiting`: for its agent to be accepted with an MCP endpoint, or for the relay. `Open`: the relay takes its code, unless it was used.
    /// `Expired`: nobody can use it any more; who used it before keeps access.
    pub state: InvitationState,
    /// Secret with its code.
    pub secret_name: String,
    /// Until when the code can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Time>,
}

/// Where an invitation is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InvitationState {
    Waiting,
    Open,
    Expired,
}

/// What the operator saw of a Tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// Generation of the spec this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Id in the DIDs of the tenant's agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Accepted Agents.
    #[serde(default)]
    pub agents: i32,
    /// The invitations of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub invitations: Vec<InvitationStatus>,
    /// Accepted, Programmed, Ready, Suspended; DeletionBlocked, Reconciling, Stalled while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
