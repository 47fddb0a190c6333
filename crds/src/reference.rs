//! References between kinds. They name objects only, never Secrets; consent stands on the side that is referred to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names the Relay a Tenant uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RelayRef {
    /// Name of the Relay.
    #[schemars(length(min = 1, max = 40))]
    pub name: String,
    /// Namespace of the Relay; left out, the Tenant's own. Another namespace needs the Relay's consent
    /// (`spec.tenants.allowedFrom`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// Names the Tenant an Agent belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantRef {
    /// Name of the Tenant.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Namespace of the Tenant; left out, the Agent's own. Another namespace needs the Tenant's consent
    /// (`spec.agents.allowedFrom`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}
