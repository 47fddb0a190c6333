//! What a decision leads to: one edit of the state, and what it means for open sessions.

use std::sync::Arc;

use protocol::Did;
use protocol::admin::TenantSpec;
use protocol::api_key::KeyId;
use protocol::did::TenantId;

use super::entry::{AgentEntry, TenantKey};

/// Sessions that may no longer be open. Enforced before the change is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Revoked or expired.
    KeyRevoked(KeyId),
    AgentRemoved(Did),
    /// Suspended, or its root key was replaced: either way whoever is connected as this agent may not be.
    AgentSuspended(Did),
    TenantSuspended(TenantId),
    TenantRemoved(TenantId),
}

/// One change of the state: a row in memory and in the store alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    PutTenant(TenantId, TenantSpec),
    /// With its agents and keys.
    RemoveTenant(TenantId),
    /// With the keys bound to it.
    PutAgent(Arc<AgentEntry>),
    RemoveAgent(Did),
    PutKey(TenantId, TenantKey),
    RemoveKey(TenantId, TenantKey),
}

/// What an operation does to the state it was decided against.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It holds already: no write, no new version.
    Unchanged,
    Change {
        edit: Edit,
        changes: Vec<Change>,
    },
}
