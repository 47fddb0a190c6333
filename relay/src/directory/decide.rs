//! Decides what an operation changes in the state, or why it is refused. The decision is pure; the
//! writer commits it.

use std::sync::Arc;

use protocol::admin::{
    AgentSpec, DeletionPolicy, KEYS_PER_AGENT_MAX, KeySpec, MCP_ACCOUNT_BYTES_MAX, MCP_ACCOUNTS_MAX, McpSpec,
    Owner, TenantSpec, Term,
};
use protocol::api_key::KeyId;
use protocol::did::TenantId;
use protocol::limits::RECORD_SKEW_GRACE_SECONDS;
use protocol::multikey::MultikeyError;
use protocol::quota::{Quota, QuotaName};
use protocol::record::{RecordError, VerifiedRecord};
use protocol::{Did, Reason, UnixSeconds};

use super::Capacity;
use super::authenticate::AuthError;
use super::edit::Decision;
use super::entry::AgentEntry;
use super::principal::Principal;
use super::requester::Requester;
use super::state::{DirectoryState, Tenant};

mod agent;
mod key;
mod mcp;
mod ownership;
mod publish;
mod release;
mod tenant;
mod term;

pub(super) use term::check_term;

/// Keys of one tenant, besides those of its agents: a team rotates a handful.
pub(super) const KEYS_PER_TENANT_MAX: usize = 64;

#[derive(Debug)]
pub(super) enum Operation {
    Administer(Requester, AdminOperation),
    /// The client of the principal registers a record.
    Publish(Principal, Box<VerifiedRecord>),
}

/// An operation of the admin API.
#[derive(Debug)]
pub(crate) enum AdminOperation {
    PutTenant(TenantId, TenantSpec),
    /// Without a policy, that of the tenant holds.
    DeleteTenant(TenantId, Option<DeletionPolicy>),
    PutAgent(Did, Box<AgentSpec>),
    SuspendAgent(Did, bool),
    /// Without a policy, that of the agent holds.
    DeleteAgent(Did, Option<DeletionPolicy>),
    PutMcp(Did, McpSpec),
    DeleteMcp(Did),
    PutKey(TenantId, KeyId, KeySpec),
    DeleteKey(TenantId, KeyId),
    /// Invitations of the tenant are about to change, which the directory does not hold.
    ChangeInvitations(TenantId),
}

/// Why an operation is refused.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    #[error("the tenant {0} does not exist")]
    TenantMissing(TenantId),
    #[error("the agent {0} does not exist")]
    AgentMissing(Did),
    #[error("the entry belongs to {0}")]
    OwnedByAnother(Owner),
    #[error("the entry belongs to nobody")]
    Unowned,
    #[error("a leader with the term {0} has written")]
    StaleTerm(Term),
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
    #[error("{} of {} {} are in use", .0.current, .0.limit, .0.name.as_str())]
    Full(Quota),
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
    #[error("the key {0} is a key of the agent {1}, not of the tenant: declare the agent without it")]
    KeyOfAgent(KeyId, Did),
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
    #[error("the record was created more than {RECORD_SKEW_GRACE_SECONDS} s after the relay's time")]
    FromTheFuture,
}

impl OperationError {
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TenantMissing(_) | Self::AgentMissing(_) => Reason::NotFound,
            Self::OwnedByAnother(_) | Self::Unowned | Self::McpUrlTaken => Reason::OwnerConflict,
            Self::StaleTerm(_) => Reason::StaleTerm,
            Self::Full(_) => Reason::QuotaExceeded,
            Self::RootKey(_)
            | Self::Card(_)
            | Self::KeysOfAgent
            | Self::KeysOfTenant
            | Self::KeyTwice(_)
            | Self::KeyTaken(_)
            | Self::KeyOfAgent(..)
            | Self::KeyIdOfAnother(_)
            | Self::McpUrl
            | Self::McpEndpoint
            | Self::McpUrlOfGateway
            | Self::McpAccounts => Reason::InvalidParams,
            Self::NotCovered => Reason::Forbidden,
            Self::Credential(error) => error.reason(),
            Self::Suspended => Reason::Suspended,
            Self::RootOnRecord => Reason::KeyConflict,
            Self::Rollback => Reason::RecordRollback,
            Self::FromTheFuture => Reason::RecordInFuture,
        }
    }

    /// The limit that the operation met.
    #[must_use]
    pub const fn quota(&self) -> Option<Quota> {
        match self {
            Self::Full(quota) => Some(*quota),
            _ => None,
        }
    }
}

/// Whether there may be one more.
fn check_room(name: QuotaName, limit: usize, current: usize) -> Result<(), OperationError> {
    if current < limit {
        return Ok(());
    }
    Err(OperationError::Full(Quota::of_default_plan(name, limit as u64, current as u64)))
}

/// The state and the rules that an operation is decided against.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) state: &'a DirectoryState,
    pub(super) capacity: Capacity,
    /// URL of the relay's MCP gateway, which no agent may declare as its own.
    pub(super) gateway_url: Option<&'a str>,
    /// Whether the disk has room for changes that can wait.
    pub(super) has_room: bool,
    pub(super) now: UnixSeconds,
}

pub(super) fn decide(context: Context<'_>, operation: Operation) -> Result<Decision, OperationError> {
    match operation {
        Operation::Administer(requester, operation) => administer(context, &requester, operation),
        Operation::Publish(who, record) => publish::publish(context, &who, &record),
    }
}

fn administer(
    context: Context<'_>,
    by: &Requester,
    operation: AdminOperation,
) -> Result<Decision, OperationError> {
    match operation {
        AdminOperation::PutTenant(tenant, spec) => tenant::put(context, by, tenant, spec),
        AdminOperation::DeleteTenant(tenant, policy) => tenant::delete(context, by, tenant, policy),
        AdminOperation::PutAgent(did, spec) => agent::put(context, by, did, *spec),
        AdminOperation::SuspendAgent(did, suspended) => agent::suspend(context, by, did, suspended),
        AdminOperation::DeleteAgent(did, policy) => agent::delete(context, by, did, policy),
        AdminOperation::PutMcp(did, spec) => mcp::put(context, by, did, spec),
        AdminOperation::DeleteMcp(did) => mcp::delete(context, by, &did),
        AdminOperation::PutKey(tenant, id, spec) => key::put(context, by, tenant, &id, spec),
        AdminOperation::DeleteKey(tenant, id) => key::delete(context, by, tenant, &id),
        AdminOperation::ChangeInvitations(tenant) => tenant::change(context, by, &tenant),
    }
}

impl Context<'_> {
    /// Whether the relay may hold one more agent, and the tenant have one more.
    fn check_capacity(&self, tenant: &TenantId) -> Result<(), OperationError> {
        check_room(QuotaName::RelayAgents, self.capacity.agents, self.state.agents_count())?;
        self.check_capacity_of_tenant(tenant)
    }

    fn check_capacity_of_tenant(&self, tenant: &TenantId) -> Result<(), OperationError> {
        let holder = self.live_tenant(tenant)?;
        let Some(max) = holder.spec.agents_max else { return Ok(()) };
        check_room(QuotaName::TenantAgents, max as usize, holder.live_agents())
    }

    /// The tenant, unless it does not exist or was deleted and its content retained.
    fn live_tenant(&self, tenant: &TenantId) -> Result<&Tenant, OperationError> {
        let found = self.state.tenant(tenant).filter(|found| !found.ownership.is_released());
        found.ok_or_else(|| OperationError::TenantMissing(tenant.clone()))
    }

    /// The agent, unless it does not exist or was deleted and its content retained.
    fn live_agent(&self, did: &Did) -> Result<&Arc<AgentEntry>, OperationError> {
        let found = self.state.agent(did).filter(|agent| !agent.ownership.is_released());
        found.ok_or_else(|| OperationError::AgentMissing(did.clone()))
    }

    fn has_expired(&self, not_after: Option<UnixSeconds>) -> bool {
        not_after.is_some_and(|not_after| not_after <= self.now)
    }
}

#[cfg(test)]
pub(super) fn context(state: &DirectoryState) -> Context<'_> {
    let capacity = Capacity { tenants: 10, agents: 10 };
    Context { state, capacity, gateway_url: None, has_room: true, now: 1_000 }
}
