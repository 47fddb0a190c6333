//! References between kinds. The referent grants consent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The Relay that a Tenant uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RelayRef {
    /// The name of the Relay.
    #[schemars(length(min = 1, max = 40))]
    pub name: String,
    /// The namespace of the Relay. Defaults to the Tenant's own. Another namespace needs the
    /// Relay's consent (`spec.tenants.allowedFrom`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// The Tenant that an Agent belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantRef {
    /// The name of the Tenant.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The namespace of the Tenant. Defaults to the Agent's own. Another namespace needs the
    /// Tenant's consent (`spec.agents.allowedFrom`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}
