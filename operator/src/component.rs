//! Values of the label `app.kubernetes.io/component`: which part of msg2agent an object belongs to.

pub const RELAY: &str = "relay";
/// The MCP gateway of a Relay.
pub const MCP_GATEWAY: &str = "mcp-gateway";
/// The MCP endpoint of an Agent, and the Agent's Secrets.
pub const MCP_SERVER: &str = "mcp-server";
/// The invitations of a Tenant.
pub const INVITATION: &str = "invitation";
