//! The MCP endpoints of agents, as the authorization server asks for them.

use protocol::did::TenantId;

use super::Directory;
use super::entry::AgentEntry;
use super::state::State;
use crate::oauth::Resource;

impl Directory {
    /// The MCP endpoint with this URL, letter for letter.
    pub(crate) fn resource(&self, url: &str) -> Option<Resource> {
        let state = self.read();
        let agent = state.resource(url)?;
        let mcp = agent.mcp.as_deref()?.clone();
        let agent_name = agent.card().map(|card| card.name.clone()).filter(|name| !name.is_empty());
        Some(Resource { agent: agent.did.clone(), mcp, agent_name, suspended: is_suspended(&state, agent) })
    }

    pub(crate) fn has_tenant(&self, tenant: &TenantId) -> bool {
        self.read().tenant(tenant).is_some()
    }
}

fn is_suspended(state: &State, agent: &AgentEntry) -> bool {
    agent.suspended || state.tenant(&agent.tenant).is_none_or(|tenant| tenant.spec.suspended)
}
