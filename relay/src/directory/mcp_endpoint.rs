//! Looks up the MCP endpoints of agents, and what an API key gives access to.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::api_key::KeyHash;
use protocol::did::TenantId;
use protocol::{Did, UnixSeconds};

use super::authenticate::check;
use super::entry::AgentEntry;
use super::state::DirectoryState;
use super::{AuthError, Directory};

/// An agent that has an MCP endpoint.
#[derive(Debug, Clone)]
pub(crate) struct AgentWithEndpoint {
    pub(crate) agent: Arc<AgentEntry>,
    /// The agent or its tenant is suspended.
    pub(crate) suspended: bool,
}

/// What an API key gives access to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyAccess {
    pub(crate) tenant: TenantId,
    /// `None`: the key is good for every agent of the tenant.
    pub(crate) agent: Option<Did>,
    /// The address at which the gateway reaches the agent's endpoint.
    pub(crate) endpoint: Option<String>,
    pub(crate) not_after: Option<UnixSeconds>,
}

impl Directory {
    /// The agent whose MCP endpoint has exactly this URL.
    pub(crate) fn agent_with_endpoint_url(&self, url: &str) -> Option<AgentWithEndpoint> {
        let state = self.read();
        state.agent_with_endpoint(&state.resource(url)?.did)
    }

    /// The agent, if it has an MCP endpoint.
    pub(crate) fn agent_with_endpoint(&self, agent: &Did) -> Option<AgentWithEndpoint> {
        self.read().agent_with_endpoint(agent)
    }

    /// Agents whose MCP endpoint lists one of these accounts, without regard to case.
    pub(crate) fn agents_naming<'a>(&self, accounts: impl Iterator<Item = &'a str>) -> BTreeSet<Did> {
        self.read().agents_naming(accounts)
    }

    /// As [`Self::authenticate`], with what the key gives access to.
    pub(crate) fn key_access(&self, presented_key: &str) -> Result<KeyAccess, AuthError> {
        let state = self.read();
        let owner = state.key(&KeyHash::sha256(presented_key)).ok_or(AuthError::Unknown)?;
        check(&state, owner, self.now())?;
        let agent = owner.agent.as_ref().and_then(|agent| state.agent(agent));
        let endpoint = agent.and_then(|agent| agent.mcp.as_ref()?.endpoint.clone());
        let (tenant, agent) = (owner.tenant.clone(), owner.agent.clone());
        Ok(KeyAccess { tenant, agent, endpoint, not_after: owner.not_after })
    }

    pub(crate) fn has_tenant(&self, tenant: &TenantId) -> bool {
        self.read().tenant(tenant).is_some()
    }
}

impl DirectoryState {
    pub(crate) fn agent_with_endpoint(&self, agent: &Did) -> Option<AgentWithEndpoint> {
        let agent = self.agent(agent).filter(|agent| agent.mcp.is_some())?;
        let suspended =
            agent.suspended || self.tenant(&agent.tenant).is_none_or(|tenant| tenant.spec.suspended);
        Some(AgentWithEndpoint { agent: Arc::clone(agent), suspended })
    }
}
