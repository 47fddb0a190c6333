//! Keys of a tenant.

use super::*;
use crate::directory::change::{Change, Edit};
use crate::directory::entry::TenantKey;

pub(super) fn put(
    context: Context<'_>,
    tenant: TenantId,
    id: &KeyId,
    spec: KeySpec,
) -> Result<Decision, Refused> {
    let holder = context.state.tenant(&tenant).ok_or_else(|| Refused::TenantMissing(tenant.clone()))?;
    let key = TenantKey { sha256: spec.sha256, not_after: spec.not_after };
    if key.id() != *id {
        return Err(Refused::KeyIdOfAnother(key.id()));
    }
    let before = holder.keys.get(id);
    if before == Some(&key) {
        return Ok(Decision::Unchanged);
    }
    if before.is_none() && holder.keys.len() >= KEYS_PER_TENANT_MAX {
        return Err(Refused::KeysOfTenant);
    }
    let taken = context
        .state
        .key_by_id(id)
        .is_some_and(|(hash, owner)| *hash != key.sha256 || owner.agent.is_some() || owner.tenant != tenant);
    if taken {
        return Err(Refused::KeyTaken(id.clone()));
    }
    let ended = before.is_some() && context.has_expired(key.not_after);
    let changes = ended.then(|| Change::KeyRevoked(id.clone())).into_iter().collect();
    Ok(Decision::Change { edit: Edit::PutKey(tenant, key), changes })
}

pub(super) fn delete(context: Context<'_>, tenant: TenantId, id: &KeyId) -> Decision {
    let key = context.state.tenant(&tenant).and_then(|holder| holder.keys.get(id)).copied();
    let Some(key) = key else { return Decision::Unchanged };
    Decision::Change { edit: Edit::RemoveKey(tenant, key), changes: vec![Change::KeyRevoked(id.clone())] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::fixtures::{hash, key, state_with_tenants, tenant};

    fn spec(number: u8, not_after: Option<UnixSeconds>) -> KeySpec {
        KeySpec { sha256: hash(number), not_after }
    }

    #[test]
    fn a_key_stands_under_its_own_id_and_in_one_tenant() {
        let mut state = state_with_tenants(&["acme", "other"]);
        let id = hash(1).key_id();
        let refused = put(context(&state), tenant("acme"), &id, spec(2, None)).unwrap_err();
        assert!(matches!(refused, Refused::KeyIdOfAnother(other) if other == hash(2).key_id()));
        state.apply(&Edit::PutKey(tenant("acme"), key(1, None)));
        assert_eq!(put(context(&state), tenant("acme"), &id, spec(1, None)).unwrap(), Decision::Unchanged);
        let refused = put(context(&state), tenant("other"), &id, spec(1, None)).unwrap_err();
        assert!(matches!(refused, Refused::KeyTaken(_)));
    }

    #[test]
    fn another_tenants_key_is_not_deleted() {
        let mut state = state_with_tenants(&["acme", "other"]);
        state.apply(&Edit::PutKey(tenant("acme"), key(1, None)));
        let id = hash(1).key_id();
        assert_eq!(delete(context(&state), tenant("other"), &id), Decision::Unchanged);
        let edit = Edit::RemoveKey(tenant("acme"), key(1, None));
        let changes = vec![Change::KeyRevoked(id.clone())];
        assert_eq!(delete(context(&state), tenant("acme"), &id), Decision::Change { edit, changes });
    }
}
