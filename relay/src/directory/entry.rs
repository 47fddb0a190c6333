//! The entries of the directory in memory: an agent, and a key of a tenant.

use std::sync::Arc;

use protocol::admin::{AgentKey, AgentSpec, DeletionPolicy, McpSpec};
use protocol::api_key::{KeyHash, KeyId};
use protocol::did::TenantId;
use protocol::frame::FormerRootKey;
use protocol::limits::FORMER_ROOT_KEYS_MAX;
use protocol::record::{Card, Discovery};
use protocol::{Did, UnixSeconds};

use super::ownership::Ownership;

/// An agent: what its tenant's admin declared about it and what it registered itself. An entry is
/// replaced and never changed in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentEntry {
    pub did: Did,
    pub tenant: TenantId,
    /// Multikey of the only root key that may register. `None` until an admin declares it or the
    /// first registration pins it (trust on first use).
    pub root_key: Option<String>,
    /// Whether the root key is part of the declaration. Otherwise the first registration pinned it.
    pub root_key_declared: bool,
    /// The registered root keys that its owner replaced, the newest last.
    pub former_root_keys: Vec<FormerRootKey>,
    pub ownership: Ownership,
    /// The policy of a deletion that names none.
    pub deletion_policy: Option<DeletionPolicy>,
    pub suspended: bool,
    /// API keys that give access to this agent only.
    pub keys: Vec<AgentKey>,
    /// The card that discovery shows instead of the agent's own.
    pub declared_card: Option<Card>,
    /// The bytes of the record as registered.
    pub record: Option<Arc<[u8]>>,
    /// `document.proof.created` of the record.
    pub record_created: UnixSeconds,
    pub registered_card: Option<Card>,
    /// Its MCP endpoint and the accounts that may sign in for it, if it has one.
    pub mcp: Option<Arc<McpSpec>>,
}

/// An API key that gives access to every agent of a tenant.
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
            root_key_declared: false,
            former_root_keys: Vec::new(),
            ownership: Ownership::Unrecorded,
            deletion_policy: None,
            suspended: false,
            keys: Vec::new(),
            declared_card: None,
            record: None,
            record_created: 0,
            registered_card: None,
            mcp: None,
        }
    }

    /// The card that others see: the declared one, or else the agent's own.
    #[must_use]
    pub fn card(&self) -> Option<&Card> {
        self.declared_card.as_ref().or(self.registered_card.as_ref())
    }

    /// What is declared about the agent: the body of a `PUT` that would change nothing.
    #[must_use]
    pub fn declaration(&self) -> AgentSpec {
        AgentSpec {
            root_key: self.root_key.clone().filter(|_| self.root_key_declared),
            card: self.declared_card.clone(),
            suspended: self.suspended,
            keys: self.keys.clone(),
            mcp: self.mcp.as_deref().cloned(),
            deletion_policy: self.deletion_policy,
        }
    }

    /// The announced root keys once the current one is replaced too. One that never registered was
    /// seen by nobody.
    pub(super) fn former_root_keys_once_replaced(&self, now: UnixSeconds) -> Vec<FormerRootKey> {
        let mut former = self.former_root_keys.clone();
        if let Some(root_key) = self.root_key.clone().filter(|_| self.record.is_some()) {
            former.retain(|earlier| earlier.root_key != root_key);
            former.push(FormerRootKey { root_key, replaced_at: now });
        }
        let surplus = former.len().saturating_sub(FORMER_ROOT_KEYS_MAX);
        former.drain(..surplus);
        former
    }

    /// Whether discovery may show the agent.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaced_root_keys_that_registered_are_announced_and_the_oldest_goes_first() {
        let mut entry = AgentEntry::new("did:wba:localhost:agent:acme:alice".parse().unwrap());
        let seen: Arc<[u8]> = b"{}".as_slice().into();
        for number in 0..=FORMER_ROOT_KEYS_MAX {
            (entry.root_key, entry.record) = (Some(format!("seen {number}")), Some(Arc::clone(&seen)));
            entry.former_root_keys = entry.former_root_keys_once_replaced(7);
            (entry.root_key, entry.record) = (Some(format!("never seen {number}")), None);
            entry.former_root_keys = entry.former_root_keys_once_replaced(8);
        }
        let expected = (1..=FORMER_ROOT_KEYS_MAX)
            .map(|number| FormerRootKey { root_key: format!("seen {number}"), replaced_at: 7 });
        assert_eq!(entry.former_root_keys, expected.collect::<Vec<_>>());
    }
}
