//! The principal of a connection: the tenant and the agents that its API key gives access to.

use protocol::Did;
use protocol::api_key::KeyId;
use protocol::did::TenantId;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub tenant: TenantId,
    /// The only agent that it may register. `None` for a key of the whole tenant.
    pub agent: Option<Did>,
    pub key_id: KeyId,
}
