//! An edit of the directory's state, and the decision that makes it.

use std::sync::Arc;

use protocol::Did;
use protocol::admin::TenantSpec;
use protocol::did::TenantId;

use super::entry::{AgentEntry, TenantKey};
use super::revocation::Revocation;

/// One change of the state, applied to memory and to the store alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    PutTenant(TenantId, TenantSpec),
    /// Removes its agents and keys too.
    RemoveTenant(TenantId),
    /// Replaces the keys bound to the agent too.
    PutAgent(Arc<AgentEntry>),
    RemoveAgent(Did),
    PutKey(TenantId, TenantKey),
    RemoveKey(TenantId, TenantKey),
}

/// The result of an operation on the state that it was decided against.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The state is as requested already: nothing is written and the version stays.
    Unchanged,
    Apply {
        edit: Edit,
        revocations: Vec<Revocation>,
    },
}
