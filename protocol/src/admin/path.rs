//! Builds the paths of the admin API.

use crate::did::{AgentName, TenantId};

/// The path of a batch of agents.
pub const AGENTS_PATH: &str = "/admin/v1/agents";
/// The path of the version.
pub const VERSION_PATH: &str = "/admin/v1/version";
/// The path of all tenants.
pub const TENANTS_PATH: &str = "/admin/v1/tenants";

/// The path of a tenant's agents.
#[must_use]
pub fn agents_path(tenant: &TenantId) -> String {
    format!("{}/agents", tenant_path(tenant))
}

/// The path of an agent.
#[must_use]
pub fn agent_path(tenant: &TenantId, name: &AgentName) -> String {
    format!("/admin/v1/tenants/{tenant}/agents/{name}")
}

/// The path of an agent's MCP endpoint.
#[must_use]
pub fn mcp_path(tenant: &TenantId, name: &AgentName) -> String {
    format!("{}/mcp", agent_path(tenant, name))
}

/// The path of a tenant's invitations.
#[must_use]
pub fn invitations_path(tenant: &TenantId) -> String {
    format!("{}/invitations", tenant_path(tenant))
}

/// The path of one invitation.
#[must_use]
pub fn invitation_path(tenant: &TenantId, id: &str) -> String {
    format!("{}/{id}", invitations_path(tenant))
}

/// The path of an agent's suspension.
#[must_use]
pub fn suspension_path(tenant: &TenantId, name: &AgentName) -> String {
    format!("{}/suspension", agent_path(tenant, name))
}

/// The path of a tenant.
#[must_use]
pub fn tenant_path(tenant: &TenantId) -> String {
    format!("/admin/v1/tenants/{tenant}")
}
