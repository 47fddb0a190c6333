//! Decides how an agent is declared, suspended and deleted. A declaration sets root key, card,
//! suspension and keys in one write.

use std::sync::Arc;

use protocol::admin::AgentKey;
use protocol::multikey;

use super::*;
use crate::directory::edit::Edit;
use crate::directory::entry::AgentEntry;
use crate::directory::revocation::Revocation;

pub(super) fn put(context: Context<'_>, did: Did, spec: AgentSpec) -> Result<Decision, OperationError> {
    check(context, &did, &spec)?;
    let before = context.state.agent(&did);
    if before.is_none() {
        context.check_capacity(&did.tenant())?;
    }
    let new = AgentEntry::new(did);
    let after = declared(before.map_or(&new, |agent| agent), spec);
    if before.is_some_and(|before| **before == after) {
        return Ok(Decision::Unchanged);
    }
    let revocations = before.map_or_else(Vec::new, |before| revocations_of(context, before, &after));
    Ok(Decision::Apply { edit: Edit::PutAgent(Arc::new(after)), revocations })
}

pub(super) fn suspend(context: Context<'_>, did: Did, suspended: bool) -> Result<Decision, OperationError> {
    let Some(before) = context.state.agent(&did) else { return Err(OperationError::AgentMissing(did)) };
    if before.suspended == suspended {
        return Ok(Decision::Unchanged);
    }
    let after = AgentEntry { suspended, ..(**before).clone() };
    let revocations = revocations_of(context, before, &after);
    Ok(Decision::Apply { edit: Edit::PutAgent(Arc::new(after)), revocations })
}

pub(super) fn delete(context: Context<'_>, did: Did) -> Decision {
    let Some(agent) = context.state.agent(&did) else { return Decision::Unchanged };
    // The keys come first: a connection that has not registered yet is known by its key only.
    let keys = agent.keys.iter().map(|key| Revocation::KeyRevoked(key.sha256.key_id()));
    let revocations = keys.chain([Revocation::AgentRemoved(did.clone())]).collect();
    Decision::Apply { edit: Edit::RemoveAgent(did), revocations }
}

fn check(context: Context<'_>, did: &Did, spec: &AgentSpec) -> Result<(), OperationError> {
    let tenant = did.tenant();
    if context.state.tenant(&tenant).is_none() {
        return Err(OperationError::TenantMissing(tenant));
    }
    if let Some(root) = &spec.root_key {
        multikey::decode_ed25519(root).map_err(OperationError::RootKey)?;
    }
    if let Some(card) = &spec.card {
        card.check().map_err(OperationError::Card)?;
    }
    if let Some(endpoint) = &spec.mcp {
        mcp::check(context, did, endpoint)?;
    }
    check_keys(context, did, &spec.keys)
}

fn check_keys(context: Context<'_>, did: &Did, keys: &[AgentKey]) -> Result<(), OperationError> {
    if keys.len() > KEYS_PER_AGENT_MAX {
        return Err(OperationError::KeysOfAgent);
    }
    for (index, key) in keys.iter().enumerate() {
        let id = key.sha256.key_id();
        if keys.iter().skip(index + 1).any(|other| other.sha256.key_id() == id) {
            return Err(OperationError::KeyTwice(id));
        }
        let taken = context
            .state
            .key_by_id(&id)
            .is_some_and(|(hash, owner)| *hash != key.sha256 || owner.agent.as_ref() != Some(did));
        if taken {
            return Err(OperationError::KeyTaken(id));
        }
    }
    Ok(())
}

/// The agent as declared, with the record that it registered itself. Without a root key in the
/// spec, a registered record keeps its key; otherwise the next agent to register could take the
/// name.
fn declared(before: &AgentEntry, spec: AgentSpec) -> AgentEntry {
    let pinned = before.root_key.clone().filter(|_| before.record.is_some());
    let root_key = spec.root_key.or(pinned);
    let mut after = AgentEntry {
        root_key,
        suspended: spec.suspended,
        keys: spec.keys,
        declared_card: spec.card,
        mcp: spec.mcp.map(Arc::new),
        ..before.clone()
    };
    if before.root_key.is_some() && after.root_key != before.root_key {
        after.record = None;
        after.record_created = 0;
        after.registered_card = None;
    }
    after
}

fn revocations_of(context: Context<'_>, before: &AgentEntry, after: &AgentEntry) -> Vec<Revocation> {
    let works = |key: &AgentKey| !context.has_expired(key.not_after);
    let still = |key: &AgentKey| after.keys.iter().any(|other| other.sha256 == key.sha256 && works(other));
    let mut revocations: Vec<_> = before
        .keys
        .iter()
        .filter(|key| !still(key))
        .map(|key| Revocation::KeyRevoked(key.sha256.key_id()))
        .collect();
    let replaced = before.record.is_some() && after.record.is_none();
    if replaced || (after.suspended && !before.suspended) {
        revocations.push(Revocation::AgentSuspended(after.did.clone()));
    }
    revocations
}

#[cfg(test)]
mod tests {
    use protocol::Identity;
    use protocol::multikey::encode_ed25519;

    use super::*;
    use crate::directory::fixtures::{agent_with_keys, did, hash};

    fn spec(keys: &[(u8, Option<UnixSeconds>)]) -> AgentSpec {
        AgentSpec { keys: agent_with_keys("acme", "alice", keys).keys.clone(), ..AgentSpec::default() }
    }

    fn root(name: &str) -> String {
        encode_ed25519(&Identity::generate(did("acme", name), 1, &mut rand::rng()).root_public())
    }

    fn revocations(decision: Decision) -> Vec<Revocation> {
        match decision {
            Decision::Apply { revocations, .. } => revocations,
            Decision::Unchanged => panic!("the state is unchanged"),
        }
    }

    #[test]
    fn the_same_body_again_changes_nothing() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let alice = did("acme", "alice");
        let spec = AgentSpec { root_key: Some(root("alice")), ..spec(&[(1, Some(5_000))]) };
        let Decision::Apply { edit, revocations } =
            put(context(&state), alice.clone(), spec.clone()).unwrap()
        else {
            panic!("a new agent is a change");
        };
        assert_eq!(revocations, vec![]);
        state.apply(&edit);
        assert_eq!(put(context(&state), alice, spec).unwrap(), Decision::Unchanged);
    }

    #[test]
    fn a_key_that_is_left_out_or_ends_now_is_revoked() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        state.apply(&Edit::PutAgent(agent_with_keys("acme", "alice", &[(1, None), (2, None), (3, None)])));
        let decision =
            put(context(&state), did("acme", "alice"), spec(&[(2, Some(1_000)), (3, Some(1_001))]));
        let revoked = [1, 2].map(|number| Revocation::KeyRevoked(hash(number).key_id())).to_vec();
        assert_eq!(revocations(decision.unwrap()), revoked);
    }

    #[test]
    fn a_suspension_closes_the_session_and_keeps_the_keys() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let alice = did("acme", "alice");
        let missing = suspend(context(&state), alice.clone(), true).unwrap_err();
        assert!(matches!(missing, OperationError::AgentMissing(did) if did == alice));
        let before = agent_with_keys("acme", "alice", &[(1, None)]);
        state.apply(&Edit::PutAgent(Arc::clone(&before)));
        let Decision::Apply { edit, revocations } = suspend(context(&state), alice.clone(), true).unwrap()
        else {
            panic!("it was not suspended");
        };
        assert_eq!(revocations, vec![Revocation::AgentSuspended(alice.clone())]);
        state.apply(&edit);
        assert_eq!(suspend(context(&state), alice.clone(), true).unwrap(), Decision::Unchanged);
        let resumed = suspend(context(&state), alice.clone(), false).unwrap();
        assert_eq!(resumed, Decision::Apply { edit: Edit::PutAgent(before), revocations: vec![] });
    }

    #[test]
    fn a_key_of_another_agent_is_not_moved() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        state.apply(&Edit::PutAgent(agent_with_keys("acme", "bob", &[(1, None)])));
        let refused = put(context(&state), did("acme", "alice"), spec(&[(1, None)])).unwrap_err();
        assert!(matches!(refused, OperationError::KeyTaken(id) if id == hash(1).key_id()));
    }

    #[test]
    fn another_root_key_drops_the_record_and_closes_the_session() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let registered = AgentEntry {
            root_key: Some(root("alice")),
            record: Some(b"{}".as_slice().into()),
            ..AgentEntry::new(did("acme", "alice"))
        };
        state.apply(&Edit::PutAgent(Arc::new(registered.clone())));

        let kept = declared(&registered, spec(&[]));
        assert_eq!((kept.root_key, kept.record), (registered.root_key, registered.record));

        let replacing = AgentSpec { root_key: Some(root("alice")), ..spec(&[]) };
        let decision = put(context(&state), did("acme", "alice"), replacing).unwrap();
        assert_eq!(revocations(decision), vec![Revocation::AgentSuspended(did("acme", "alice"))]);
    }

    #[test]
    fn a_tenant_gets_no_more_agents_than_it_may() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let tenant = did("acme", "alice").tenant();
        let limited = TenantSpec { agents_max: Some(1), ..TenantSpec::default() };
        state.apply(&Edit::PutTenant(tenant, limited));
        state.apply(&Edit::PutAgent(agent_with_keys("acme", "alice", &[])));
        let refused = put(context(&state), did("acme", "bob"), spec(&[])).unwrap_err();
        assert!(matches!(refused, OperationError::AgentsOfTenant(1)));
        let refused = put(context(&state), did("other", "bob"), spec(&[])).unwrap_err();
        assert!(matches!(refused, OperationError::TenantMissing(_)));
    }
}
