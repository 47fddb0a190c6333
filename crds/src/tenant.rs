//! `Tenant`: a wall around a team's agents on a relay. Written by the team or the platform.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
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
    /// Accepted, Programmed, Ready, Suspended; DeletionBlocked, Reconciling, Stalled while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
