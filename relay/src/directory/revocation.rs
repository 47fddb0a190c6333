//! The revocations that a change of the directory causes.

use protocol::Did;
use protocol::api_key::KeyId;
use protocol::did::TenantId;

/// Ends the right of sessions to stay open. Enforced before the change is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// The key was revoked or has expired.
    KeyRevoked(KeyId),
    AgentRemoved(Did),
    /// The agent was deleted and its mailbox retained.
    AgentReleased(Did),
    /// The agent was suspended, or its root key was replaced.
    AgentSuspended(Did),
    TenantSuspended(TenantId),
    TenantRemoved(TenantId),
    /// The tenant was deleted and its agents' mailboxes retained.
    TenantReleased(TenantId),
}
