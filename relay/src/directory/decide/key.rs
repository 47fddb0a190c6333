//! Decides how keys of a tenant are declared and deleted.

use super::*;
use crate::directory::edit::Edit;
use crate::directory::entry::TenantKey;
use crate::directory::revocation::Revocation;

pub(super) fn put(
    context: Context<'_>,
    by: &Requester,
    tenant: TenantId,
    id: &KeyId,
    spec: KeySpec,
) -> Result<Decision, OperationError> {
    let holder = context.live_tenant(&tenant)?;
    let handed_over = tenant::hand_over(&tenant, holder, by)?;
    let key = TenantKey { sha256: spec.sha256, not_after: spec.not_after };
    if key.id() != *id {
        return Err(OperationError::KeyIdOfAnother(key.id()));
    }
    let before = holder.keys.get(id);
    if before == Some(&key) {
        return Ok(handed_over);
    }
    if before.is_none() && holder.keys.len() >= KEYS_PER_TENANT_MAX {
        return Err(OperationError::KeysOfTenant);
    }
    let taken = context
        .state
        .key_by_id(id)
        .is_some_and(|(hash, owner)| *hash != key.sha256 || owner.agent.is_some() || owner.tenant != tenant);
    if taken {
        return Err(OperationError::KeyTaken(id.clone()));
    }
    let ended = before.is_some() && context.has_expired(key.not_after);
    let revocations = ended.then(|| Revocation::KeyRevoked(id.clone())).into_iter().collect();
    Ok(handed_over.then(Edit::PutKey(tenant, key), revocations))
}

pub(super) fn delete(
    context: Context<'_>,
    by: &Requester,
    tenant: TenantId,
    id: &KeyId,
) -> Result<Decision, OperationError> {
    let Some(holder) = context.state.tenant(&tenant) else { return Ok(Decision::unchanged()) };
    let handed_over = tenant::hand_over(&tenant, holder, by)?;
    let Some(key) = holder.keys.get(id).copied() else { return missing(context, &tenant, id, handed_over) };
    Ok(handed_over.then(Edit::RemoveKey(tenant, key), vec![Revocation::KeyRevoked(id.clone())]))
}

/// Revoking nothing is no error, except of a key of an agent: whoever asks for that wants it gone,
/// and it works on.
fn missing(
    context: Context<'_>,
    tenant: &TenantId,
    id: &KeyId,
    handed_over: Decision,
) -> Result<Decision, OperationError> {
    let owner = context.state.key_by_id(id).map(|(_, owner)| owner).filter(|owner| owner.tenant == *tenant);
    match owner.and_then(|owner| owner.agent.clone()) {
        Some(agent) => Err(OperationError::KeyOfAgent(id.clone(), agent)),
        None => Ok(handed_over),
    }
}

#[cfg(test)]
mod tests {
    use protocol::admin::Owner;

    use super::*;
    use crate::directory::fixtures::{agent_with_keys, did, hash, key, tenant};
    use crate::directory::ownership::Ownership;

    fn spec(number: u8, not_after: Option<UnixSeconds>) -> KeySpec {
        KeySpec { sha256: hash(number), not_after }
    }

    fn put_key(
        state: &DirectoryState,
        of: &str,
        id: &KeyId,
        spec: KeySpec,
    ) -> Result<Decision, OperationError> {
        put(context(state), &Requester::default(), tenant(of), id, spec)
    }

    #[test]
    fn a_key_stands_under_its_own_id_and_in_one_tenant() {
        let mut state = DirectoryState::with_tenants(&["acme", "other"]);
        let id = hash(1).key_id();
        let refused = put_key(&state, "acme", &id, spec(2, None)).unwrap_err();
        assert!(matches!(refused, OperationError::KeyIdOfAnother(other) if other == hash(2).key_id()));
        state.apply(&Edit::PutKey(tenant("acme"), key(1, None)));
        assert!(put_key(&state, "acme", &id, spec(1, None)).unwrap().is_unchanged());
        let refused = put_key(&state, "other", &id, spec(1, None)).unwrap_err();
        assert!(matches!(refused, OperationError::KeyTaken(_)));
    }

    #[test]
    fn another_tenants_key_is_not_deleted() {
        let mut state = DirectoryState::with_tenants(&["acme", "other"]);
        state.apply(&Edit::PutKey(tenant("acme"), key(1, None)));
        let id = hash(1).key_id();
        let delete = |of| delete(context(&state), &Requester::default(), tenant(of), &id).unwrap();
        assert!(delete("other").is_unchanged());
        let edit = Edit::RemoveKey(tenant("acme"), key(1, None));
        assert_eq!(delete("acme"), Decision::apply(edit, vec![Revocation::KeyRevoked(id.clone())]));
    }

    #[test]
    fn revoking_a_key_of_an_agent_as_one_of_its_tenant_is_refused_and_not_swallowed() {
        let mut state = DirectoryState::with_tenants(&["acme", "other"]);
        state.apply(&Edit::PutAgent(agent_with_keys("acme", "victim", &[(1, None)])));
        let delete =
            |of, number| delete(context(&state), &Requester::default(), tenant(of), &hash(number).key_id());
        let refused = delete("acme", 1).unwrap_err();
        assert!(
            matches!(&refused, OperationError::KeyOfAgent(_, agent) if *agent == did("acme", "victim")),
            "{refused}"
        );
        // Another tenant does not learn whose key that is.
        assert!(delete("other", 1).unwrap().is_unchanged());
        assert!(delete("acme", 2).unwrap().is_unchanged());
    }

    #[test]
    fn the_keys_of_a_tenant_belong_to_its_owner() {
        let mut state = DirectoryState::with_tenants(&[]);
        let owner = Owner::Kubernetes("a".into());
        let owned = Ownership::Owned(owner.clone());
        state.apply(&Edit::PutTenant(tenant("acme"), TenantSpec::default(), owned));
        state.apply(&Edit::PutKey(tenant("acme"), key(1, None)));
        let refused = put_key(&state, "acme", &hash(2).key_id(), spec(2, None)).unwrap_err();
        assert!(matches!(refused, OperationError::OwnedByAnother(_)));
        let refused = delete(context(&state), &Requester::default(), tenant("acme"), &hash(1).key_id());
        assert!(matches!(refused, Err(OperationError::OwnedByAnother(_))));

        let taking = Requester { former_owner: Some(owner), ..Requester::default() };
        let taken = put(context(&state), &taking, tenant("acme"), &hash(2).key_id(), spec(2, None)).unwrap();
        taken.edits.iter().for_each(|edit| state.apply(edit));
        let after = &state.tenant(&tenant("acme")).unwrap().ownership;
        assert_eq!(*after, Ownership::Owned(Owner::CommandLine));
    }
}
