//! Decides how tenants are created, changed and deleted, which only the admin API does.

use super::*;
use crate::directory::edit::Edit;
use crate::directory::revocation::Revocation;

pub(super) fn put(
    context: Context<'_>,
    tenant: TenantId,
    spec: TenantSpec,
) -> Result<Decision, OperationError> {
    let before = context.state.tenant(&tenant).map(|tenant| &tenant.spec);
    if before == Some(&spec) {
        return Ok(Decision::Unchanged);
    }
    if before.is_none() && context.state.tenants().len() >= context.capacity.tenants {
        return Err(OperationError::TenantsFull);
    }
    let was_suspended = before.is_some_and(|spec| spec.suspended);
    let suspended = spec.suspended && !was_suspended;
    let revocations = suspended.then(|| Revocation::TenantSuspended(tenant.clone())).into_iter().collect();
    Ok(Decision::Apply { edit: Edit::PutTenant(tenant, spec), revocations })
}

pub(super) fn delete(context: Context<'_>, tenant: TenantId) -> Decision {
    if context.state.tenant(&tenant).is_none() {
        return Decision::Unchanged;
    }
    Decision::Apply {
        revocations: vec![Revocation::TenantRemoved(tenant.clone())],
        edit: Edit::RemoveTenant(tenant),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::fixtures::tenant;

    #[test]
    fn suspending_closes_sessions_once() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let spec = TenantSpec { suspended: true, ..TenantSpec::default() };
        let edit = Edit::PutTenant(tenant("acme"), spec.clone());
        let revocations = vec![Revocation::TenantSuspended(tenant("acme"))];
        let decision = put(context(&state), tenant("acme"), spec.clone()).unwrap();
        assert_eq!(decision, Decision::Apply { edit: edit.clone(), revocations });
        state.apply(&edit);
        assert_eq!(put(context(&state), tenant("acme"), spec).unwrap(), Decision::Unchanged);
    }

    #[test]
    fn a_full_relay_takes_changes_of_tenants_it_has_and_no_new_one() {
        let state = DirectoryState::with_tenants(&["acme"]);
        let full = Context { capacity: Capacity { tenants: 1, agents: 1 }, ..context(&state) };
        let spec = TenantSpec { display_name: "Acme".into(), ..TenantSpec::default() };
        assert!(matches!(put(full, tenant("acme"), spec.clone()), Ok(Decision::Apply { .. })));
        assert!(matches!(put(full, tenant("other"), spec), Err(OperationError::TenantsFull)));
    }

    #[test]
    fn deleting_what_is_not_there_changes_nothing() {
        let state = DirectoryState::with_tenants(&[]);
        assert_eq!(delete(context(&state), tenant("acme")), Decision::Unchanged);
    }
}
