//! One agent and one tenant key, as they stand in memory.

use std::sync::Arc;

use protocol::admin::{AgentKey, McpSpec};
use protocol::api_key::{KeyHash, KeyId};
use protocol::did::TenantId;
use protocol::record::{Card, Discovery};
use protocol::{Did, UnixSeconds};

/// An agent: what its tenant's admin said about it and what it said about itself. Replaced whole, never changed in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentEntry {
    pub did: Did,
    pub tenant: TenantId,
    /// Multikey of the only root key that may register; `None` until an admin names it or first use pins it.
    pub root_key: Option<String>,
    pub suspended: bool,
    /// Keys that open this agent only.
    pub keys: Vec<AgentKey>,
    /// What discovery shows instead of the agent's own card.
    pub declared_card: Option<Card>,
    /// The record as it was registered.
    pub record: Option<Arc<[u8]>>,
    /// `document.proof.created` of the record.
    pub record_created: UnixSeconds,
    pub registered_card: Option<Card>,
    /// Its MCP endpoint and who may sign in for it, if it has one.
    pub mcp: Option<Arc<McpSpec>>,
}

/// A key that opens every agent of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TenantKey {
    pub(crate) sha256: KeyHash,
    pub(crate) not_after: Option<UnixSeconds>,
}

impl AgentEntry {
    pub(crate) fn new(did: Did) -> Self {
        Self {
            tenant: did.tenant(),
            did,
            root_key: None,
            suspended: false,
            keys: Vec::new(),
            declared_card: None,
            record: None,
            record_created: 0,
            registered_card: None,
            mcp: None,
        }
    }

    /// The card that others see: the admin's, or else the agent's own.
    #[must_use]
    pub fn card(&self) -> Option<&Card> {
        self.declared_card.as_ref().or(self.registered_card.as_ref())
    }

    /// Whether discovery may show it.
    pub(crate) fn is_discoverable(&self) -> bool {
        !self.suspended && self.card().is_some_and(|card| card.discovery == Discovery::Tenant)
    }

    pub(crate) fn has_capability(&self, id: &str) -> bool {
        self.card().is_some_and(|card| card.capabilities.iter().any(|capability| capability.id == id))
    }
}

impl TenantKey {
    pub(crate) fn id(&self) -> KeyId {
        self.sha256.key_id()
    }
}
