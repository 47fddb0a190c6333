//! Decides how an agent is declared, suspended and deleted. A declaration sets root key, card,
//! suspension, keys and MCP endpoint in one write.

use std::sync::Arc;

use protocol::admin::AgentKey;
use protocol::multikey;

use super::*;
use crate::directory::edit::Edit;
use crate::directory::entry::AgentEntry;
use crate::directory::ownership::Ownership;
use crate::directory::revocation::Revocation;

pub(super) fn put(
    context: Context<'_>,
    by: &Requester,
    did: Did,
    spec: AgentSpec,
) -> Result<Decision, OperationError> {
    let Some(before) = context.state.agent(&did) else { return create(context, by, did, spec) };
    ownership::right(&before.ownership, by)?;
    check(context, &did, &spec)?;
    if before.ownership.is_released() {
        context.check_capacity_of_tenant(&did.tenant())?;
    }
    let (spec, endpoint) = mcp::with_accepted_endpoint(context, before, spec);
    let owner = ownership::declared(Some(&before.ownership), by);
    let decision = if is_another_identity(before, &owner, &spec) {
        replaced(before, declared(context, &AgentEntry::new(did), spec, owner))
    } else {
        changed(context, before, declared(context, before, spec, owner))
    };
    Ok(Decision { endpoint, ..decision })
}

fn create(
    context: Context<'_>,
    by: &Requester,
    did: Did,
    spec: AgentSpec,
) -> Result<Decision, OperationError> {
    if by.if_owned {
        return Err(OperationError::AgentMissing(did));
    }
    check(context, &did, &spec)?;
    context.check_capacity(&did.tenant())?;
    let new = AgentEntry::new(did);
    let (spec, endpoint) = mcp::with_accepted_endpoint(context, &new, spec);
    let after = declared(context, &new, spec, ownership::declared(None, by));
    Ok(Decision { endpoint, ..Decision::apply(Edit::PutAgent(Arc::new(after)), Vec::new()) })
}

pub(super) fn suspend(
    context: Context<'_>,
    by: &Requester,
    did: Did,
    suspended: bool,
) -> Result<Decision, OperationError> {
    let before = context.live_agent(&did)?;
    let ownership = ownership::changed(&before.ownership, by)?;
    Ok(changed(context, before, AgentEntry { suspended, ownership, ..(**before).clone() }))
}

pub(super) fn delete(
    context: Context<'_>,
    by: &Requester,
    did: Did,
    policy: Option<DeletionPolicy>,
) -> Result<Decision, OperationError> {
    let Some(agent) = context.state.agent(&did) else { return Ok(Decision::unchanged()) };
    ownership::right(&agent.ownership, by)?;
    match policy.or(agent.deletion_policy) {
        Some(DeletionPolicy::Retain) => Ok(release::agent(context, agent)),
        Some(DeletionPolicy::Purge) | None => Ok(removed(agent)),
    }
}

fn removed(agent: &AgentEntry) -> Decision {
    // The keys come first: a connection that has not registered yet is known by its key only.
    let keys = agent.keys.iter().map(|key| Revocation::KeyRevoked(key.sha256.key_id()));
    let revocations = keys.chain([Revocation::AgentRemoved(agent.did.clone())]).collect();
    Decision::apply(Edit::RemoveAgent(agent.did.clone()), revocations)
}

/// Removes the former agent with its mailbox, invitations and grants, and makes another one of the
/// same name.
fn replaced(before: &AgentEntry, after: AgentEntry) -> Decision {
    let mut decision = removed(before);
    decision.edits.push(Edit::PutAgent(Arc::new(after)));
    decision
}

fn changed(context: Context<'_>, before: &AgentEntry, after: AgentEntry) -> Decision {
    if *before == after {
        return Decision::unchanged();
    }
    let revocations = revocations_of(context, before, &after);
    Decision::apply(Edit::PutAgent(Arc::new(after)), revocations)
}

/// Whether another owner declares another root key. That is another identity, which must not get
/// the mailbox of the former one.
fn is_another_identity(before: &AgentEntry, owner: &Ownership, spec: &AgentSpec) -> bool {
    let changes_hands = before.ownership != *owner;
    let root_differs =
        matches!((&before.root_key, &spec.root_key), (Some(before), Some(after)) if before != after);
    changes_hands && root_differs
}

fn check(context: Context<'_>, did: &Did, spec: &AgentSpec) -> Result<(), OperationError> {
    context.live_tenant(&did.tenant())?;
    if let Some(root) = &spec.root_key {
        multikey::decode_ed25519(root).map_err(OperationError::RootKey)?;
    }
    if let Some(card) = &spec.card {
        card.check().map_err(OperationError::Card)?;
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
fn declared(context: Context<'_>, before: &AgentEntry, spec: AgentSpec, ownership: Ownership) -> AgentEntry {
    let pinned = before.root_key.clone().filter(|_| before.record.is_some());
    let root_key_declared = spec.root_key.is_some();
    let mut after = AgentEntry {
        root_key: spec.root_key.or(pinned),
        root_key_declared,
        ownership,
        deletion_policy: spec.deletion_policy,
        suspended: spec.suspended,
        keys: spec.keys,
        declared_card: spec.card,
        mcp: spec.mcp.map(Arc::new),
        ..before.clone()
    };
    if before.root_key.is_some() && after.root_key != before.root_key {
        after.former_root_keys = before.former_root_keys_once_replaced(context.now);
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
    use protocol::admin::Owner;
    use protocol::frame::FormerRootKey;
    use protocol::multikey::encode_ed25519;

    use super::*;
    use crate::directory::fixtures::{agent_with_keys, did, hash};

    fn anybody() -> Requester {
        Requester::default()
    }

    fn object(uid: &str) -> Requester {
        Requester { owner: Some(Owner::Kubernetes(uid.into())), ..Requester::default() }
    }

    fn spec(keys: &[(u8, Option<UnixSeconds>)]) -> AgentSpec {
        AgentSpec { keys: agent_with_keys("acme", "alice", keys).keys.clone(), ..AgentSpec::default() }
    }

    fn root(name: &str) -> String {
        encode_ed25519(&Identity::generate(did("acme", name), 1, &mut rand::rng()).root_public())
    }

    fn put_alice(state: &DirectoryState, spec: AgentSpec) -> Result<Decision, OperationError> {
        put(context(state), &anybody(), did("acme", "alice"), spec)
    }

    #[test]
    fn the_same_body_again_changes_nothing() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let spec = AgentSpec { root_key: Some(root("alice")), ..spec(&[(1, Some(5_000))]) };
        let decision = put_alice(&state, spec.clone()).unwrap();
        assert_eq!(decision.revocations, vec![]);
        state.apply(&decision.edits[0]);
        assert!(put_alice(&state, spec.clone()).unwrap().is_unchanged());
        let declaration = state.agent(&did("acme", "alice")).unwrap().declaration();
        assert_eq!((declaration.digest(), &declaration), (spec.digest(), &spec));
    }

    #[test]
    fn a_key_that_is_left_out_or_ends_now_is_revoked() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        state.apply(&Edit::PutAgent(agent_with_keys("acme", "alice", &[(1, None), (2, None), (3, None)])));
        let decision = put_alice(&state, spec(&[(2, Some(1_000)), (3, Some(1_001))])).unwrap();
        let revoked = [1, 2].map(|number| Revocation::KeyRevoked(hash(number).key_id()));
        assert_eq!(decision.revocations, revoked);
    }

    #[test]
    fn a_suspension_closes_the_session_and_keeps_the_keys() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let alice = did("acme", "alice");
        let set = |state: &DirectoryState, suspended| {
            suspend(context(state), &anybody(), did("acme", "alice"), suspended)
        };
        let missing = set(&state, true).unwrap_err();
        assert!(matches!(missing, OperationError::AgentMissing(did) if did == alice));
        let before = agent_with_keys("acme", "alice", &[(1, None)]);
        state.apply(&Edit::PutAgent(Arc::clone(&before)));
        let decision = set(&state, true).unwrap();
        assert_eq!(decision.revocations, [Revocation::AgentSuspended(alice)]);
        state.apply(&decision.edits[0]);
        assert!(set(&state, true).unwrap().is_unchanged());
        assert_eq!(set(&state, false).unwrap(), Decision::apply(Edit::PutAgent(before), vec![]));
    }

    #[test]
    fn a_key_of_another_agent_is_not_moved() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        state.apply(&Edit::PutAgent(agent_with_keys("acme", "bob", &[(1, None)])));
        let refused = put_alice(&state, spec(&[(1, None)])).unwrap_err();
        assert!(matches!(refused, OperationError::KeyTaken(id) if id == hash(1).key_id()));
    }

    fn registered(ownership: Ownership) -> AgentEntry {
        AgentEntry {
            root_key: Some(root("alice")),
            record: Some(b"{}".as_slice().into()),
            ownership,
            ..AgentEntry::new(did("acme", "alice"))
        }
    }

    #[test]
    fn another_root_key_of_the_same_owner_drops_the_record_and_closes_the_session() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let registered = registered(Ownership::Unrecorded);
        state.apply(&Edit::PutAgent(Arc::new(registered.clone())));

        let kept = declared(context(&state), &registered, spec(&[]), Ownership::Unrecorded);
        assert_eq!((&kept.root_key, &kept.record), (&registered.root_key, &registered.record));

        let replacing = AgentSpec { root_key: Some(root("alice")), ..spec(&[]) };
        let decision = put_alice(&state, replacing).unwrap();
        assert_eq!(decision.revocations, [Revocation::AgentSuspended(did("acme", "alice"))]);
        state.apply(&decision.edits[0]);
        let announced = &state.agent(&did("acme", "alice")).unwrap().former_root_keys;
        let former = FormerRootKey {
            root_key: registered.root_key.clone().unwrap(),
            replaced_at: context(&state).now,
        };
        assert_eq!(*announced, [former]);
    }

    #[test]
    fn a_claim_with_the_same_root_key_gets_the_record_back() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let released = AgentEntry { suspended: true, ..registered(Ownership::Released(900)) };
        state.apply(&Edit::PutAgent(Arc::new(released.clone())));
        let spec = AgentSpec { root_key: released.root_key.clone(), ..spec(&[(1, None)]) };
        let decision = put(context(&state), &object("a"), did("acme", "alice"), spec).unwrap();
        decision.edits.iter().for_each(|edit| state.apply(edit));
        let after = state.agent(&did("acme", "alice")).unwrap();
        assert_eq!((&after.record, after.suspended), (&released.record, false));
        assert_eq!(after.ownership.owner(), object("a").owner.as_ref());
    }

    #[test]
    fn a_claim_or_a_handover_with_another_root_key_removes_the_former_agent_first() {
        let former = Owner::Kubernetes("b".into());
        let heir = Requester { former_owner: Some(former.clone()), ..object("a") };
        for before in [Ownership::Unrecorded, Ownership::Released(900), Ownership::Owned(former)] {
            let mut state = DirectoryState::with_tenants(&["acme"]);
            state.apply(&Edit::PutAgent(Arc::new(registered(before))));
            let spec = AgentSpec { root_key: Some(root("alice")), ..spec(&[(1, None)]) };
            let decision = put(context(&state), &heir, did("acme", "alice"), spec).unwrap();
            assert_eq!(decision.revocations, [Revocation::AgentRemoved(did("acme", "alice"))]);
            assert_eq!(decision.edits[0], Edit::RemoveAgent(did("acme", "alice")));
            decision.edits.iter().for_each(|edit| state.apply(edit));
            assert_eq!(state.agent(&did("acme", "alice")).unwrap().record, None);
        }
    }

    #[test]
    fn an_agent_of_another_owner_is_neither_changed_nor_deleted() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let owned = Ownership::Owned(Owner::Kubernetes("a".into()));
        let alice =
            AgentEntry { ownership: owned, ..(*agent_with_keys("acme", "alice", &[(1, None)])).clone() };
        state.apply(&Edit::PutAgent(Arc::new(alice)));
        let name = || did("acme", "alice");
        for refused in [
            put(context(&state), &object("b"), name(), spec(&[])),
            suspend(context(&state), &object("b"), name(), true),
            delete(context(&state), &object("b"), name(), None),
        ] {
            assert!(
                matches!(refused, Err(OperationError::OwnedByAnother(Owner::Kubernetes(uid))) if uid == "a")
            );
        }
        suspend(context(&state), &object("a"), name(), true).unwrap();
    }

    #[test]
    fn a_write_that_must_own_the_agent_makes_none() {
        let state = DirectoryState::with_tenants(&["acme"]);
        let strict = Requester { if_owned: true, ..object("a") };
        let refused = put(context(&state), &strict, did("acme", "alice"), spec(&[])).unwrap_err();
        assert!(matches!(refused, OperationError::AgentMissing(_)));
    }

    #[test]
    fn a_retained_agent_is_neither_resumed_nor_suspended() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let released = AgentEntry { suspended: true, ..registered(Ownership::Released(900)) };
        state.apply(&Edit::PutAgent(Arc::new(released)));
        let refused = suspend(context(&state), &anybody(), did("acme", "alice"), false).unwrap_err();
        assert!(matches!(refused, OperationError::AgentMissing(_)));
    }

    #[test]
    fn a_tenant_gets_no_more_agents_than_it_may_and_retained_ones_do_not_count() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let limited = TenantSpec { agents_max: Some(1), ..TenantSpec::default() };
        let tenant = did("acme", "alice").tenant();
        state.apply(&Edit::PutTenant(tenant, limited, Ownership::Unrecorded));
        state.apply(&Edit::PutAgent(agent_with_keys("acme", "alice", &[])));
        let bob = |state: &DirectoryState| put(context(state), &anybody(), did("acme", "bob"), spec(&[]));
        let full = Some(Quota::of_default_plan(QuotaName::TenantAgents, 1, 1));
        assert_eq!(bob(&state).unwrap_err().quota(), full);
        let refused = put(context(&state), &anybody(), did("other", "bob"), spec(&[])).unwrap_err();
        assert!(matches!(refused, OperationError::TenantMissing(_)));

        let released =
            delete(context(&state), &anybody(), did("acme", "alice"), Some(DeletionPolicy::Retain));
        state.apply(&released.unwrap().edits[0]);
        state.apply(&bob(&state).unwrap().edits[0]);
        assert_eq!(put_alice(&state, spec(&[])).unwrap_err().quota(), full);
    }
}
