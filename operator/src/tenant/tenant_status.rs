//! The status of a Tenant, computed from an observation. Pure; the time is an argument.

use crds::condition::{Reason, Type};
use crds::{Tenant, TenantStatus};
use kube::Resource as _;

use super::resolve::ResolvedTenant;
use crate::conditions::{self, Draft};
use crate::programming::Programming;
use crate::refusal::Refusal;

/// The conditions that `Ready` summarizes, in the order in which they are reported.
const PARTS: [(Type, Reason); 2] =
    [(Type::Accepted, Reason::NotAccepted), (Type::Programmed, Reason::NotProgrammed)];

/// The status of an accepted Tenant.
pub(super) fn accepted(
    tenant: &Tenant,
    resolved: &ResolvedTenant,
    programming: &Programming,
    agents: i32,
    now: jiff::Timestamp,
) -> TenantStatus {
    let mut drafts = vec![
        Draft::holds(Type::Accepted, Reason::Accepted, "the Relay accepts this Tenant"),
        programming.draft(conditions::kept(tenant, Type::Programmed)),
    ];
    let mut ready = conditions::ready(&drafts, &PARTS);
    if tenant.spec.suspend {
        drafts.push(Draft::holds(Type::Suspended, Reason::SuspendedBySpec, "spec.suspend is true"));
        if ready.is_true() {
            ready = Draft::holds(
                Type::Ready,
                Reason::Suspended,
                "spec.suspend is true: the relay refuses every agent of this tenant",
            );
        }
    }
    let stalled = programming.stalled(conditions::kept(tenant, Type::Programmed));
    let progress = conditions::progress(&ready, stalled.as_ref());
    drafts.push(ready);
    drafts.extend(progress);
    status(tenant, Some(resolved.tenant_id.to_string()), &drafts, agents, now)
}

/// The status of a refused Tenant. It keeps the id that it had.
pub(super) fn refused(tenant: &Tenant, refusal: &Refusal, agents: i32, now: jiff::Timestamp) -> TenantStatus {
    let tenant_id = tenant.status.as_ref().and_then(|status| status.tenant_id.clone());
    status(tenant, tenant_id, &refusal.drafts(), agents, now)
}

/// The status of a deleted Tenant whose relay has not confirmed the deletion yet.
pub(super) fn blocked(tenant: &Tenant, agents: i32, now: jiff::Timestamp) -> TenantStatus {
    let message = "the Tenant waits for its relay, which must take the keys of all agents away";
    let drafts = [
        Draft::holds(Type::DeletionBlocked, Reason::RelayUnavailable, message),
        Draft::fails(Type::Ready, Reason::Terminating, message),
    ];
    let tenant_id = tenant.status.as_ref().and_then(|status| status.tenant_id.clone());
    status(tenant, tenant_id, &drafts, agents, now)
}

fn status(
    tenant: &Tenant,
    tenant_id: Option<String>,
    drafts: &[Draft],
    agents: i32,
    now: jiff::Timestamp,
) -> TenantStatus {
    TenantStatus {
        observed_generation: tenant.meta().generation,
        tenant_id,
        agents,
        // Unchanged. The reconcile of an accepted Tenant overwrites them.
        invitations: tenant.status.as_ref().map(|status| status.invitations.clone()).unwrap_or_default(),
        conditions: conditions::merge(conditions::current(tenant), drafts, tenant.meta().generation, now),
    }
}

#[cfg(test)]
mod tests {
    use kube::CustomResourceExt as _;

    use super::*;
    use crate::relay_replicas::Progress;
    use crate::tenant::admin_spec::admin_spec;

    fn tenant(spec: serde_json::Value) -> Tenant {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Tenant",
            "metadata": {"name": "acme", "namespace": "team", "uid": "uid-team-acme", "generation": 2},
            "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn a_tenant_is_ready_only_when_every_replica_confirmed() {
        let tenant = tenant(serde_json::json!({"relayRef": {"name": "main"}}));
        let now = jiff::Timestamp::UNIX_EPOCH;
        let resolved = ResolvedTenant { tenant_id: "acme".parse().unwrap(), former_owner: None };
        let ready = |acknowledged, ready| {
            let progress = Programming::Progress(Progress { acknowledged, ready });
            let status = accepted(&tenant, &resolved, &progress, 0, now);
            let found = conditions::find(&status.conditions, Type::Ready).unwrap();
            (found.status.clone(), found.reason.clone(), found.observed_generation)
        };
        assert_eq!(ready(2, 2), ("True".into(), "Ready".into(), Some(2)));
        assert_eq!(ready(1, 2), ("False".into(), "NotProgrammed".into(), Some(2)));
        assert_eq!(ready(0, 1), ("False".into(), "NotProgrammed".into(), Some(2)));
    }

    #[test]
    fn a_suspended_tenant_is_ready_when_the_relay_enforces_the_suspension() {
        let tenant = tenant(serde_json::json!({"relayRef": {"name": "main"}, "suspend": true}));
        let resolved = ResolvedTenant { tenant_id: "acme".parse().unwrap(), former_owner: None };
        let progress = Programming::Progress(Progress { acknowledged: 1, ready: 1 });
        let status = accepted(&tenant, &resolved, &progress, 0, jiff::Timestamp::UNIX_EPOCH);
        assert!(conditions::is_true(&status.conditions, Type::Programmed));
        assert!(conditions::is_true(&status.conditions, Type::Suspended));
        let ready = conditions::find(&status.conditions, Type::Ready).unwrap();
        assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("True", "Suspended"));
        for progress in [Type::Reconciling, Type::Stalled] {
            assert!(conditions::find(&status.conditions, progress).is_none(), "{progress:?}");
        }
        assert!(admin_spec(&tenant).suspended);
    }

    /// The status of a Tenant that was accepted and had an invitation.
    fn former() -> TenantStatus {
        serde_json::from_value(serde_json::json!({"tenantId": "acme", "agents": 2, "invitations": [
            {"name": "carol", "state": "Open", "secretName": "acme-invitation-carol"},
        ]}))
        .unwrap()
    }

    fn waiting_for_its_relay() -> TenantStatus {
        let mut tenant = tenant(serde_json::json!({"relayRef": {"name": "main"}}));
        tenant.status = Some(former());
        blocked(&tenant, 2, jiff::Timestamp::UNIX_EPOCH)
    }

    fn refused_for(reason: Reason) -> TenantStatus {
        let mut tenant = tenant(serde_json::json!({"relayRef": {"name": "main"}}));
        tenant.status = Some(former());
        refused(&tenant, &Refusal::new(reason, "no"), 2, jiff::Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_deleted_tenant_says_that_it_waits_for_its_relay() {
        let status = waiting_for_its_relay();
        let found = |about| {
            let found = conditions::find(&status.conditions, about).unwrap();
            (&*found.status, &*found.reason)
        };
        assert_eq!(found(Type::DeletionBlocked), ("True", "RelayUnavailable"));
        assert_eq!(found(Type::Ready), ("False", "Terminating"));
        assert_eq!((status.tenant_id.as_deref(), status.agents), (Some("acme"), 2));
    }

    /// What was issued before must be revoked when the Tenant is accepted again.
    #[test]
    fn a_tenant_that_is_refused_or_deleted_keeps_its_id_and_its_invitations() {
        for status in [refused_for(Reason::TenantIdConflict), waiting_for_its_relay()] {
            assert_eq!((status.tenant_id, status.invitations), (former().tenant_id, former().invitations));
        }
    }

    #[test]
    fn every_condition_that_a_tenant_gets_is_named_in_its_definition() {
        let suspended = tenant(serde_json::json!({"relayRef": {"name": "main"}, "suspend": true}));
        let resolved = ResolvedTenant { tenant_id: "acme".parse().unwrap(), former_owner: None };
        let now = jiff::Timestamp::UNIX_EPOCH;
        let statuses = [
            accepted(&suspended, &resolved, &Programming::Unknown, 0, now),
            refused_for(Reason::TenantIdConflict),
            refused_for(Reason::RelayNotFound),
            waiting_for_its_relay(),
        ];
        let definition = serde_json::to_value(Tenant::crd()).unwrap();
        let path =
            "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/conditions/description";
        let described = definition.pointer(path).and_then(serde_json::Value::as_str).unwrap();
        for condition in statuses.into_iter().flat_map(|status| status.conditions) {
            assert!(described.contains(&condition.type_), "{}: {described}", condition.type_);
        }
    }
}
