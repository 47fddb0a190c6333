//! The MCP endpoints of agents, as the authorization server asks for them.

use std::collections::BTreeSet;

use protocol::api_key::KeyHash;
use protocol::did::TenantId;
use protocol::{Did, UnixSeconds};

use super::authenticate::check;
use super::entry::AgentEntry;
use super::state::DirectoryState;
use super::{AuthError, Directory};
use crate::oauth::Resource;

/// What an API key opens at the relay's MCP gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyAccess {
    /// `None`: it is a tenant's key, good for each of its agents.
    pub(crate) agent: Option<Did>,
    /// Where the gateway reaches the agent.
    pub(crate) endpoint: Option<String>,
    pub(crate) not_after: Option<UnixSeconds>,
}

impl Directory {
    /// The MCP endpoint with this URL, letter for letter.
    pub(crate) fn resource(&self, url: &str) -> Option<Resource> {
        let state = self.read();
        state.resource_of(&state.resource(url)?.did)
    }

    /// The MCP endpoint of an agent.
    pub(crate) fn resource_of(&self, agent: &Did) -> Option<Resource> {
        self.read().resource_of(agent)
    }

    /// Agents whose MCP endpoint names one of these accounts, by tenant and name. Some may be named in other letters.
    pub(crate) fn agents_naming<'a>(&self, accounts: impl Iterator<Item = &'a str>) -> BTreeSet<Did> {
        self.read().agents_naming(accounts)
    }

    /// As [`Self::authenticate`], for somebody who presents the key at the gateway.
    pub(crate) fn key_access(&self, presented_key: &str) -> Result<KeyAccess, AuthError> {
        let state = self.read();
        let owner = state.key(&KeyHash::sha256(presented_key)).ok_or(AuthError::Unknown)?;
        check(&state, owner, self.now())?;
        let entry = owner.agent.as_ref().and_then(|agent| state.agent(agent));
        let endpoint = entry.and_then(|agent| agent.mcp.as_ref()?.endpoint.clone());
        Ok(KeyAccess { agent: owner.agent.clone(), endpoint, not_after: owner.not_after })
    }

    pub(crate) fn has_tenant(&self, tenant: &TenantId) -> bool {
        self.read().tenant(tenant).is_some()
    }
}

impl DirectoryState {
    pub(crate) fn resource_of(&self, agent: &Did) -> Option<Resource> {
        let agent = self.agent(agent)?;
        let mcp = agent.mcp.as_deref()?.clone();
        let agent_name = agent.card().map(|card| card.name.clone()).filter(|name| !name.is_empty());
        Some(Resource { agent: agent.did.clone(), mcp, agent_name, suspended: is_suspended(self, agent) })
    }
}

fn is_suspended(state: &DirectoryState, agent: &AgentEntry) -> bool {
    agent.suspended || state.tenant(&agent.tenant).is_none_or(|tenant| tenant.spec.suspended)
}
