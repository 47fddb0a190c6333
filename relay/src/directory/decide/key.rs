//! Decides how keys of a tenant are declared and deleted.

use super::*;
use crate::directory::edit::Edit;
use crate::directory::entry::TenantKey;
use crate::directory::revocation::Revocation;

pub(super) fn put(
    context: Context<'_>,
    tenant: TenantId,
    id: &KeyId,
    spec: KeySpec,
) -> Result<Decision, OperationError> {
    let holder =
        context.state.tenant(&tenant).ok_or_else(|| OperationError::TenantMissing(tenant.clone()))?;
    let key = TenantKey { sha256: spec.sha256, not_after: spec.not_after };
    if key.id() != *id {
        return Err(OperationError::KeyIdOfAnother(key.id()));
    }
    let before = holder.keys.get(id);
    if before == Some(&key) {
        return Ok(Decision::Unchanged);
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
    Ok(Decision::Apply { edit: Edit::PutKey(tenant, key), revocations })
}

pub(super) fn delete(context: Context<'_>, tenant: TenantId, id: &KeyId) -> Decision {
    let key = context.state.tenant(&tenant).and_then(|holder| holder.keys.get(id)).copied();
    let Some(key) = key else { return Decision::Unchanged };
    Decision::Apply {
        edit: Edit::RemoveKey(tenant, key),
        revocations: vec![Revocation::KeyRevoked(id.clone())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::fixtures::{hash, key, tenant};

    fn spec(number: u8, not_after: Option<UnixSeconds>) -> KeySpec {
        KeySpec { sha256: hash(number), not_after }
    }

    #[test]
    fn a_key_stands_under_its_own_id_and_in_one_tenant() {
        let mut state = DirectoryState::with_tenants(&["acme", "other"]);
        let id = hash(1).key_id();
        let refused = put(context(&state), tenant("acme"), &id, spec(2, None)).unwrap_err();
        assert!(matches!(refused, OperationError::KeyIdOfAnother(other) if other == hash(2).key_id()));
        state.apply(&Edit::PutKey(tenant("acme"), key(1, None)));
        assert_eq!(put(context(&state), tenant("acme"), &id, spec(1, None)).unwrap(), Decision::Unchanged);
        let refused = put(context(&state), tenant("other"), &id, spec(1, None)).unwrap_err();
        assert!(matches!(refused, OperationError::KeyTaken(_)));
    }

    #[test]
    fn another_tenants_key_is_not_deleted() {
        let mut state = DirectoryState::with_tenants(&["acme", "other"]);
        state.apply(&Edit::PutKey(tenant("acme"), key(1, None)));
        let id = hash(1).key_id();
        assert_eq!(delete(context(&state), tenant("other"), &id), Decision::Unchanged);
        let edit = Edit::RemoveKey(tenant("acme"), key(1, None));
        let revocations = vec![Revocation::KeyRevoked(id.clone())];
        assert_eq!(delete(context(&state), tenant("acme"), &id), Decision::Apply { edit, revocations });
    }
}
