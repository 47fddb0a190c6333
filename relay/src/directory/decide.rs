//! Decides what an operation changes in the state, or why it is refused. The decision is pure; the
//! writer commits it.

use protocol::admin::{
    AgentSpec, KEYS_PER_AGENT_MAX, KeySpec, MCP_ACCOUNT_BYTES_MAX, MCP_ACCOUNTS_MAX, McpSpec, TenantSpec,
};
use protocol::api_key::KeyId;
use protocol::did::TenantId;
use protocol::multikey::MultikeyError;
use protocol::record::{RecordError, VerifiedRecord};
use protocol::{Did, Reason, UnixSeconds};

use super::Capacity;
use super::authenticate::AuthError;
use super::edit::Decision;
use super::principal::Principal;
use super::state::DirectoryState;

mod agent;
mod key;
mod mcp;
mod publish;
mod tenant;

/// Keys of one tenant, besides those of its agents: a team rotates a handful.
pub(super) const KEYS_PER_TENANT_MAX: usize = 64;

#[derive(Debug)]
pub(super) enum Operation {
    PutTenant(TenantId, TenantSpec),
    DeleteTenant(TenantId),
    PutAgent(Did, Box<AgentSpec>),
    SuspendAgent(Did, bool),
    DeleteAgent(Did),
    PutMcp(Did, McpSpec),
    DeleteMcp(Did),
    PutKey(TenantId, KeyId, KeySpec),
    DeleteKey(TenantId, KeyId),
    Publish(Principal, Box<VerifiedRecord>),
}

/// Why an operation is refused.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    #[error("the tenant {0} does not exist")]
    TenantMissing(TenantId),
    #[error("the agent {0} does not exist")]
    AgentMissing(Did),
    #[error(
        "url is not an MCP endpoint: write https://host/path, or http:// on loopback, in its normal spelling and \
         without query, fragment or credentials"
    )]
    McpUrl,
    #[error(
        "endpoint is not a URL that the gateway can reach: write https://host/path, or http:// on loopback, in its normal \
         spelling and without query, fragment or credentials"
    )]
    McpEndpoint,
    #[error("url and endpoint must be the agent's own; this is the relay's MCP gateway")]
    McpUrlOfGateway,
    #[error("the url is the MCP endpoint of another agent")]
    McpUrlTaken,
    #[error(
        "accounts may list at most {MCP_ACCOUNTS_MAX} different names of 1 to {MCP_ACCOUNT_BYTES_MAX} printable characters"
    )]
    McpAccounts,
    #[error("this relay has reached its limit of tenants")]
    TenantsFull,
    #[error("this relay has reached its limit of agents")]
    AgentsFull,
    #[error("the tenant may have at most {0} agents")]
    AgentsOfTenant(u32),
    #[error("rootKey is not an Ed25519 Multikey")]
    RootKey(#[source] MultikeyError),
    #[error("card is not valid")]
    Card(#[source] RecordError),
    #[error("an agent may have at most {KEYS_PER_AGENT_MAX} keys")]
    KeysOfAgent,
    #[error("a tenant may have at most {KEYS_PER_TENANT_MAX} keys of its own")]
    KeysOfTenant,
    #[error("the key {0} is listed twice")]
    KeyTwice(KeyId),
    #[error("the key {0} belongs to another tenant or agent, or its id is that of another key")]
    KeyTaken(KeyId),
    #[error("the key with this hash has the id {0}")]
    KeyIdOfAnother(KeyId),
    #[error("the credential does not cover this agent")]
    NotCovered,
    #[error("the credential is no longer valid")]
    Credential(#[source] AuthError),
    #[error("the agent is suspended")]
    Suspended,
    #[error("another root key is on record")]
    RootOnRecord,
    #[error("a newer record is registered")]
    Rollback,
}

impl OperationError {
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TenantMissing(_) | Self::AgentMissing(_) => Reason::NotFound,
            Self::TenantsFull | Self::AgentsFull | Self::AgentsOfTenant(_) => Reason::QuotaExceeded,
            Self::RootKey(_)
            | Self::Card(_)
            | Self::KeysOfAgent
            | Self::KeysOfTenant
            | Self::KeyTwice(_)
            | Self::KeyTaken(_)
            | Self::KeyIdOfAnother(_)
            | Self::McpUrl
            | Self::McpEndpoint
            | Self::McpUrlOfGateway
            | Self::McpUrlTaken
            | Self::McpAccounts => Reason::InvalidParams,
            Self::NotCovered => Reason::Forbidden,
            Self::Credential(error) => error.reason(),
            Self::Suspended => Reason::Suspended,
            Self::RootOnRecord => Reason::KeyConflict,
            Self::Rollback => Reason::RecordRollback,
        }
    }
}

/// The state and the rules that an operation is decided against.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) state: &'a DirectoryState,
    pub(super) capacity: Capacity,
    /// URL of the relay's MCP gateway, which no agent may declare as its own.
    pub(super) gateway_url: Option<&'a str>,
    pub(super) now: UnixSeconds,
}

pub(super) fn decide(context: Context<'_>, operation: Operation) -> Result<Decision, OperationError> {
    match operation {
        Operation::PutTenant(tenant, spec) => tenant::put(context, tenant, spec),
        Operation::DeleteTenant(tenant) => Ok(tenant::delete(context, tenant)),
        Operation::PutAgent(did, spec) => agent::put(context, did, *spec),
        Operation::SuspendAgent(did, suspended) => agent::suspend(context, did, suspended),
        Operation::DeleteAgent(did) => Ok(agent::delete(context, did)),
        Operation::PutMcp(did, spec) => mcp::put(context, did, spec),
        Operation::DeleteMcp(did) => Ok(mcp::delete(context, &did)),
        Operation::PutKey(tenant, id, spec) => key::put(context, tenant, &id, spec),
        Operation::DeleteKey(tenant, id) => Ok(key::delete(context, tenant, &id)),
        Operation::Publish(who, record) => publish::publish(context, &who, &record),
    }
}

impl Context<'_> {
    /// Whether the tenant may have one more agent.
    fn check_capacity(&self, tenant: &TenantId) -> Result<(), OperationError> {
        let holder =
            self.state.tenant(tenant).ok_or_else(|| OperationError::TenantMissing(tenant.clone()))?;
        if self.state.agents_count() >= self.capacity.agents {
            return Err(OperationError::AgentsFull);
        }
        match holder.spec.agents_max {
            Some(max) if holder.agents.len() >= usize::try_from(max).unwrap_or(usize::MAX) => {
                Err(OperationError::AgentsOfTenant(max))
            }
            _ => Ok(()),
        }
    }

    fn has_expired(&self, not_after: Option<UnixSeconds>) -> bool {
        not_after.is_some_and(|not_after| not_after <= self.now)
    }
}

#[cfg(test)]
pub(super) fn context(state: &DirectoryState) -> Context<'_> {
    Context { state, capacity: Capacity { tenants: 10, agents: 10 }, gateway_url: None, now: 1_000 }
}
