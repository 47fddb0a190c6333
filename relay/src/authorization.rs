//! Mounts the authorization server: the directory answers its questions about agents, endpoints and
//! keys.

use std::collections::BTreeSet;

use authorization::{ApiKeyError, InvitationError, McpEndpoint, Principal, Relay};
use daemon::error_chain;
use protocol::Did;
use protocol::did::TenantId;

use crate::directory::{AgentWithEndpoint, AuthError, Directory, KeyAccess};
use crate::problem::ProblemResponse;

impl Relay for Directory {
    fn endpoint(&self, url: &str) -> Option<McpEndpoint> {
        self.agent_with_endpoint_url(url).and_then(mcp_endpoint)
    }

    fn endpoint_of(&self, agent: &Did) -> Option<McpEndpoint> {
        self.agent_with_endpoint(agent).and_then(mcp_endpoint)
    }

    fn agents_listing(&self, account_names: &[&str]) -> BTreeSet<Did> {
        self.agents_naming(account_names.iter().copied())
    }

    fn authenticate(&self, api_key: &str) -> Result<Principal, ApiKeyError> {
        match self.key_access(api_key) {
            Ok(KeyAccess { tenant, agent, endpoint, not_after }) => {
                Ok(Principal { tenant, agent, endpoint, not_after })
            }
            Err(AuthError::Unknown) => Err(ApiKeyError::Unknown),
            Err(AuthError::Expired) => Err(ApiKeyError::Expired),
            Err(AuthError::Suspended) => Err(ApiKeyError::Suspended),
        }
    }

    fn has_tenant(&self, tenant: &TenantId) -> bool {
        Self::has_tenant(self, tenant)
    }

    fn has_agent(&self, agent: &Did) -> bool {
        self.live_agent(agent).is_some()
    }
}

/// `None` if the agent has no endpoint.
fn mcp_endpoint(found: AgentWithEndpoint) -> Option<McpEndpoint> {
    let AgentWithEndpoint { agent, suspended } = found;
    let mcp = agent.mcp.as_deref()?.clone();
    let agent_name = agent.card().map(|card| card.name.clone()).filter(|name| !name.is_empty());
    Some(McpEndpoint { agent: agent.did.clone(), mcp, agent_name, suspended })
}

impl From<InvitationError> for ProblemResponse {
    fn from(error: InvitationError) -> Self {
        if let InvitationError::Store(cause) = &error {
            tracing::error!(error = %error_chain(cause), "failed to store invitations");
        }
        Self::new(error.reason(), error.to_string())
    }
}

#[cfg(test)]
mod properties;
