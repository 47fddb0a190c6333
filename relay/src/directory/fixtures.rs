//! Fixtures for tests of the directory.

use std::sync::Arc;

use protocol::admin::AgentKey;
use protocol::api_key::KeyHash;
use protocol::did::TenantId;
use protocol::record::{Card, VerifiedRecord};
use protocol::{Did, Identity, UnixSeconds};

use super::entry::{AgentEntry, TenantKey};

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(crate) fn did(tenant_name: &str, name: &str) -> Did {
    Did::new(&"example.com".parse().unwrap(), &tenant(tenant_name), &name.parse().unwrap())
}

pub(crate) fn hash(number: u8) -> KeyHash {
    KeyHash::sha256(&format!("key {number}"))
}

pub(crate) fn key(number: u8, not_after: Option<UnixSeconds>) -> TenantKey {
    TenantKey { sha256: hash(number), not_after }
}

pub(crate) fn agent_with_keys(
    tenant_name: &str,
    name: &str,
    keys: &[(u8, Option<UnixSeconds>)],
) -> Arc<AgentEntry> {
    let keys = keys.iter().map(|&(number, not_after)| AgentKey { sha256: hash(number), not_after }).collect();
    Arc::new(AgentEntry { keys, ..AgentEntry::new(did(tenant_name, name)) })
}

pub(crate) fn record(identity: &Identity, card: Card, now: UnixSeconds) -> VerifiedRecord {
    let bytes = protocol::record::build(identity, card, None, now).unwrap();
    VerifiedRecord::parse(&bytes, identity.did()).unwrap()
}
