//! Everything that the authorization server asks the relay, as one trait.

use std::collections::BTreeSet;

use protocol::admin::McpSpec;
use protocol::did::TenantId;
use protocol::{Did, Reason, UnixSeconds};

/// The relay that the authorization server works for: its agents, their MCP endpoints and API keys.
///
/// Every method reads the relay's current state and returns at once, so that a suspension or a
/// removed endpoint applies to the next request.
pub trait Relay: Send + Sync + 'static {
    /// The MCP endpoint with exactly this URL.
    fn endpoint(&self, url: &str) -> Option<McpEndpoint>;

    /// The MCP endpoint of an agent.
    fn endpoint_of(&self, agent: &Did) -> Option<McpEndpoint>;

    /// Agents whose MCP endpoint lists one of these account names, sorted. E-mail addresses are
    /// compared without regard to case, so the caller still has to check each agent's list.
    fn agents_listing(&self, account_names: &[&str]) -> BTreeSet<Did>;

    /// What an API key gives access to.
    ///
    /// # Errors
    /// The key is unknown or expired, or its tenant or agent is suspended.
    fn authenticate(&self, api_key: &str) -> Result<Principal, ApiKeyError>;

    /// Whether the relay has this tenant.
    fn has_tenant(&self, tenant: &TenantId) -> bool;

    /// Whether the relay has this agent.
    fn has_agent(&self, agent: &Did) -> bool;
}

/// An agent's MCP endpoint: the protected resource that access tokens are issued for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpEndpoint {
    /// The agent that the endpoint belongs to.
    pub agent: Did,
    /// Its URL, the accounts that may use it, and the address that the gateway forwards to.
    pub mcp: McpSpec,
    /// The agent's display name, if it has one.
    pub agent_name: Option<String>,
    /// The agent or its tenant is suspended.
    pub suspended: bool,
}

/// What an API key gives access to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The tenant of the key.
    pub tenant: TenantId,
    /// The agent of the key; `None`: the key is good for every agent of the tenant.
    pub agent: Option<Did>,
    /// The address at which the gateway reaches the agent's endpoint, if the agent has one.
    pub endpoint: Option<String>,
    /// When the key expires.
    pub not_after: Option<UnixSeconds>,
}

/// Why an API key gives no access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// The relay has no such key.
    #[error("the key is unknown")]
    Unknown,
    /// The key was valid until some time ago.
    #[error("the key has expired")]
    Expired,
    /// The key's tenant or agent is suspended.
    #[error("the tenant or the agent of the key is suspended")]
    Suspended,
}

impl ApiKeyError {
    /// The reason in the relay's protocol, which has advice for the key's owner.
    pub(crate) const fn reason(self) -> Reason {
        match self {
            Self::Unknown => Reason::KeyUnknown,
            Self::Expired => Reason::KeyExpired,
            Self::Suspended => Reason::Suspended,
        }
    }
}
