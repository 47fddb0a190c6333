//! The observed state of a Relay.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gateway::GatewayStatus;
use crate::oauth::OAuthStatus;

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
    /// The relay's MCP gateway. Set when `gateway.enabled` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayStatus>,
    /// The SHA-256 fingerprint of the certificate authority that the relay's clients trust, in
    /// lower-case hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_fingerprint: Option<String>,
    /// The image that the relay's pods run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The id of the relay's store. Another id means a new or a replaced store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Whether the operator reaches the relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactStatus>,
    /// The number of tenants and agents that operators created at the relay and that no accepted
    /// object claims. They are removed, unless the condition Programmed says why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unclaimed: Option<i32>,
    /// Conditions: Accepted, Programmed, Available, CertificateReady, GatewayReady (with
    /// `gateway.enabled`) and Ready. DeletionBlocked, Paused, Reconciling and Stalled are present
    /// only while they are true.
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

/// Whether the operator reaches the relay. It is written only when the state changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContactStatus {
    /// `Reached`: every ready replica answers. `Lost`: a ready replica does not answer, or none is
    /// ready.
    pub state: ContactState,
    /// When the state last changed.
    pub since: Time,
}

/// Whether the operator reaches a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum ContactState {
    Reached,
    Lost,
}
