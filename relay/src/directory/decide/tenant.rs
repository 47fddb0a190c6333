//! Decides how tenants are created, changed and deleted, which only the admin API does.

use super::*;
use crate::directory::edit::Edit;
use crate::directory::ownership::Ownership;
use crate::directory::revocation::Revocation;

pub(super) fn put(
    context: Context<'_>,
    by: &Requester,
    tenant: TenantId,
    spec: TenantSpec,
) -> Result<Decision, OperationError> {
    let before = context.state.tenant(&tenant);
    let ownership = check_right(context, by, &tenant, before)?;
    if before.is_some_and(|before| before.spec == spec && before.ownership == ownership) {
        return Ok(Decision::unchanged());
    }
    let was_suspended = before.is_some_and(|before| before.spec.suspended);
    let suspended = spec.suspended && !was_suspended;
    let revocations = suspended.then(|| Revocation::TenantSuspended(tenant.clone())).into_iter().collect();
    Ok(Decision::apply(Edit::PutTenant(tenant, spec, ownership), revocations))
}

/// The owner after the declaration, if the requester may make it.
fn check_right(
    context: Context<'_>,
    by: &Requester,
    tenant: &TenantId,
    before: Option<&Tenant>,
) -> Result<Ownership, OperationError> {
    match before {
        Some(before) => drop(ownership::right(&before.ownership, by)?),
        None if by.if_owned => return Err(OperationError::TenantMissing(tenant.clone())),
        None => check_room(QuotaName::RelayTenants, context.capacity.tenants, context.state.tenants().len())?,
    }
    Ok(ownership::declared(before.map(|before| &before.ownership), by))
}

pub(super) fn delete(
    context: Context<'_>,
    by: &Requester,
    tenant: TenantId,
    policy: Option<DeletionPolicy>,
) -> Result<Decision, OperationError> {
    let Some(before) = context.state.tenant(&tenant) else { return Ok(Decision::unchanged()) };
    ownership::right(&before.ownership, by)?;
    match policy.or(before.spec.deletion_policy) {
        Some(DeletionPolicy::Retain) => Ok(release::tenant(context, tenant, before)),
        Some(DeletionPolicy::Purge) | None => {
            let revocations = vec![Revocation::TenantRemoved(tenant.clone())];
            Ok(Decision::apply(Edit::RemoveTenant(tenant), revocations))
        }
    }
}

/// Whether the requester may change what belongs to the tenant. The decision hands the tenant over
/// if the requester asks for that.
pub(super) fn change(
    context: Context<'_>,
    by: &Requester,
    tenant: &TenantId,
) -> Result<Decision, OperationError> {
    hand_over(tenant, context.live_tenant(tenant)?, by)
}

pub(super) fn hand_over(
    tenant: &TenantId,
    before: &Tenant,
    by: &Requester,
) -> Result<Decision, OperationError> {
    let after = ownership::changed(&before.ownership, by)?;
    if after == before.ownership {
        return Ok(Decision::unchanged());
    }
    Ok(Decision::apply(Edit::PutTenant(tenant.clone(), before.spec.clone(), after), Vec::new()))
}

#[cfg(test)]
mod tests {
    use protocol::admin::Owner;

    use super::*;
    use crate::directory::fixtures::tenant;

    fn object(uid: &str) -> Requester {
        Requester { owner: Some(Owner::Kubernetes(uid.into())), ..Requester::default() }
    }

    fn put_tenant(context: Context<'_>, name: &str, spec: TenantSpec) -> Result<Decision, OperationError> {
        put(context, &Requester::default(), tenant(name), spec)
    }

    #[test]
    fn suspending_closes_sessions_once() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let spec = TenantSpec { suspended: true, ..TenantSpec::default() };
        let edit = Edit::PutTenant(tenant("acme"), spec.clone(), Ownership::Unrecorded);
        let revocations = vec![Revocation::TenantSuspended(tenant("acme"))];
        let decision = put_tenant(context(&state), "acme", spec.clone()).unwrap();
        assert_eq!(decision, Decision::apply(edit.clone(), revocations));
        state.apply(&edit);
        assert!(put_tenant(context(&state), "acme", spec).unwrap().is_unchanged());
    }

    #[test]
    fn a_full_relay_takes_changes_of_tenants_it_has_and_no_new_one() {
        let state = DirectoryState::with_tenants(&["acme"]);
        let full = Context { capacity: Capacity { tenants: 1, agents: 1 }, ..context(&state) };
        let spec = TenantSpec { display_name: "Acme".into(), ..TenantSpec::default() };
        assert!(!put_tenant(full, "acme", spec.clone()).unwrap().is_unchanged());
        let refused = put_tenant(full, "other", spec).unwrap_err().quota().unwrap();
        assert_eq!((refused.name, refused.limit, refused.current), (QuotaName::RelayTenants, 1, 1));
    }

    #[test]
    fn deleting_what_is_not_there_changes_nothing() {
        let state = DirectoryState::with_tenants(&[]);
        let deleted = delete(context(&state), &object("a"), tenant("acme"), None);
        assert!(deleted.unwrap().is_unchanged());
    }

    #[test]
    fn a_tenant_is_claimed_once_and_then_refuses_everybody_else() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let claim = |state: &DirectoryState, uid| {
            put(context(state), &object(uid), tenant("acme"), TenantSpec::default())
        };
        state.apply(&claim(&state, "a").unwrap().edits[0]);
        assert!(claim(&state, "a").unwrap().is_unchanged());
        assert!(matches!(claim(&state, "b"), Err(OperationError::OwnedByAnother(_))));
        let refused = delete(context(&state), &object("b"), tenant("acme"), None);
        assert!(matches!(refused, Err(OperationError::OwnedByAnother(_))));
        let refused = change(context(&state), &object("b"), &tenant("acme"));
        assert!(matches!(refused, Err(OperationError::OwnedByAnother(_))));
        assert!(change(context(&state), &object("a"), &tenant("acme")).unwrap().is_unchanged());
    }

    #[test]
    fn a_write_that_must_own_the_tenant_makes_none() {
        let state = DirectoryState::with_tenants(&[]);
        let strict = Requester { if_owned: true, ..object("a") };
        let refused = put(context(&state), &strict, tenant("acme"), TenantSpec::default());
        assert!(matches!(refused, Err(OperationError::TenantMissing(_))));
    }

    #[test]
    fn a_retained_tenant_takes_no_changes_until_it_is_declared_again() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let decision = delete(context(&state), &object("a"), tenant("acme"), Some(DeletionPolicy::Retain));
        state.apply(&decision.unwrap().edits[0]);
        let refused = change(context(&state), &object("a"), &tenant("acme"));
        assert!(matches!(refused, Err(OperationError::TenantMissing(_))));
        let claimed = put(context(&state), &object("b"), tenant("acme"), TenantSpec::default()).unwrap();
        state.apply(&claimed.edits[0]);
        change(context(&state), &object("b"), &tenant("acme")).unwrap();
    }
}
