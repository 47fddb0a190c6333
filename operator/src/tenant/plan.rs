//! Whether a Tenant has a place at its relay, what the relay is told of it, and what is said about it. Pure.

use std::sync::Arc;

use crds::condition::{Reason, Type};
use crds::{Tenant, TenantStatus};
use kube::Resource as _;
use protocol::admin;
use protocol::did::TenantId;

use crate::claim::{self, Refusal, is_older};
use crate::conditions::{self, Draft};
use crate::index;
use crate::key::Name;
use crate::programming::Programming;

const PARTS: [(Type, Reason); 2] =
    [(Type::Accepted, Reason::NotAccepted), (Type::Programmed, Reason::NotProgrammed)];

/// What decides about a Tenant.
pub(crate) struct Snapshot<'a> {
    pub tenant: &'a Tenant,
    pub relay_name: &'a Name,
    pub is_permitted: bool,
    /// Other permitted Tenants that claim the same id.
    pub rivals: Vec<Arc<Tenant>>,
}

/// A Tenant's place at its relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub tenant_id: TenantId,
}

/// # Errors
/// Why the Tenant has no place.
pub(crate) fn place(snapshot: &Snapshot<'_>) -> Result<Place, Refusal> {
    if !snapshot.is_permitted {
        let referent = ("Relay", snapshot.relay_name);
        return Err(claim::not_found(
            Reason::RelayNotFound,
            snapshot.tenant,
            referent,
            "spec.tenants.allowedFrom",
        ));
    }
    if let Some(owner) = snapshot.rivals.iter().find(|rival| is_older(&***rival, snapshot.tenant)) {
        let id = format!("the id {}", index::tenant_id_of(snapshot.tenant));
        return Err(claim::taken(Reason::TenantIdConflict, &id, snapshot.tenant, owner));
    }
    let claimed = index::tenant_id_of(snapshot.tenant);
    let tenant_id = claimed
        .parse()
        .map_err(|error| Refusal::new(Reason::InvalidSpec, format!("tenant id {claimed}: {error}")))?;
    Ok(Place { tenant_id })
}

/// What the relay is told.
pub(crate) fn content(tenant: &Tenant) -> admin::TenantSpec {
    admin::TenantSpec {
        display_name: tenant.spec.display_name.clone().unwrap_or_default(),
        suspended: tenant.spec.suspend,
        // The operator counts Agents itself, oldest first; the relay would count in the order of arrival.
        agents_max: None,
    }
}

/// The status of a Tenant with a place.
pub(crate) fn accepted(
    tenant: &Tenant,
    place: &Place,
    programming: Programming,
    agents: i32,
    now: jiff::Timestamp,
) -> TenantStatus {
    let mut drafts = vec![
        Draft::holds(Type::Accepted, Reason::Accepted, "the Relay admits this Tenant"),
        programming.draft(),
    ];
    let mut ready = conditions::ready(&drafts, &PARTS);
    if tenant.spec.suspend {
        drafts.push(Draft::holds(Type::Suspended, Reason::SuspendedBySpec, "spec.suspend is true"));
        if ready.holds {
            ready = Draft::fails(
                Type::Ready,
                Reason::Suspended,
                "spec.suspend is true: the relay refuses every agent of this tenant",
            );
        }
    }
    let progress = conditions::progress(&ready, None);
    drafts.push(ready);
    drafts.extend(progress);
    status(tenant, Some(place.tenant_id.to_string()), &drafts, agents, now)
}

/// The status of a Tenant without a place.
pub(crate) fn refused(tenant: &Tenant, refusal: &Refusal, agents: i32, now: jiff::Timestamp) -> TenantStatus {
    let accepted = Draft::fails(Type::Accepted, refusal.reason, refusal.message.clone());
    let ready = Draft::fails(Type::Ready, Reason::NotAccepted, refusal.message.clone());
    let mut drafts = vec![accepted.clone()];
    let progress = conditions::progress(&ready, Some(&accepted));
    drafts.push(ready);
    drafts.extend(progress);
    status(tenant, None, &drafts, agents, now)
}

fn status(
    tenant: &Tenant,
    tenant_id: Option<String>,
    drafts: &[Draft],
    agents: i32,
    now: jiff::Timestamp,
) -> TenantStatus {
    let before = tenant.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    TenantStatus {
        observed_generation: tenant.meta().generation,
        tenant_id,
        agents,
        // As they were; a pass that looks at them says how they are.
        invitations: tenant.status.as_ref().map(|status| status.invitations.clone()).unwrap_or_default(),
        conditions: conditions::merge(before, drafts, tenant.meta().generation, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Progress;

    fn tenant(namespace: &str, name: &str, created: &str, spec: serde_json::Value) -> Tenant {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Tenant",
            "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{namespace}-{name}"),
                "creationTimestamp": created, "generation": 2},
            "spec": spec,
        }))
        .unwrap()
    }

    fn acme(created: &str) -> Tenant {
        tenant(
            "team",
            "acme",
            created,
            serde_json::json!({"relayRef": {"name": "main", "namespace": "platform"}}),
        )
    }

    fn snapshot<'a>(tenant: &'a Tenant, relay: &'a Name, rivals: Vec<Tenant>) -> Snapshot<'a> {
        let rivals = rivals.into_iter().map(Arc::new).collect();
        Snapshot { tenant, relay_name: relay, is_permitted: true, rivals }
    }

    const EARLY: &str = "2026-01-01T00:00:00Z";
    const LATE: &str = "2026-06-01T00:00:00Z";

    #[test]
    fn the_name_is_the_id_unless_one_is_given() {
        let relay = Name::new("platform", "main");
        let tenant_id =
            |tenant: &Tenant| place(&snapshot(tenant, &relay, vec![])).unwrap().tenant_id.to_string();
        assert_eq!(tenant_id(&acme(EARLY)), "acme");
        let named = tenant(
            "team",
            "acme",
            EARLY,
            serde_json::json!({"relayRef": {"name": "main"}, "tenantId": "default"}),
        );
        assert_eq!(tenant_id(&named), "default");
    }

    #[test]
    fn the_oldest_claim_wins_and_a_stranger_is_not_named() {
        let relay = Name::new("platform", "main");
        let stranger = tenant(
            "rivals",
            "x",
            EARLY,
            serde_json::json!({"relayRef": {"name": "main"}, "tenantId": "acme"}),
        );
        let late = acme(LATE);
        let refusal = place(&snapshot(&late, &relay, vec![stranger.clone()])).unwrap_err();
        assert_eq!(refusal.reason, Reason::TenantIdConflict);
        assert!(!refusal.message.contains("rivals"), "{}", refusal.message);
        assert!(place(&snapshot(&stranger, &relay, vec![late])).is_ok());
    }

    #[test]
    fn of_two_claims_of_the_same_second_exactly_one_wins() {
        let relay = Name::new("platform", "main");
        let (one, two) = (
            acme(EARLY),
            tenant(
                "team",
                "other",
                EARLY,
                serde_json::json!({"relayRef": {"name": "main"}, "tenantId": "acme"}),
            ),
        );
        let first = place(&snapshot(&one, &relay, vec![two.clone()])).is_ok();
        let second = place(&snapshot(&two, &relay, vec![one.clone()])).is_ok();
        assert!(first != second);
    }

    #[test]
    fn a_missing_relay_and_one_that_says_no_look_alike_from_outside() {
        let (tenant, relay) = (acme(EARLY), Name::new("platform", "main"));
        let refusal =
            place(&Snapshot { is_permitted: false, ..snapshot(&tenant, &relay, vec![]) }).unwrap_err();
        assert_eq!(
            refusal.reason,
            Reason::RefNotPermitted,
            "whether there is such a Relay is not even asked"
        );
    }

    #[test]
    fn a_tenant_is_ready_only_when_every_replica_confirmed() {
        let (tenant, now) = (acme(EARLY), jiff::Timestamp::UNIX_EPOCH);
        let place = Place { tenant_id: "acme".parse().unwrap() };
        let ready = |acknowledged, ready| {
            let progress = Programming::Progress(Progress { acknowledged, ready });
            let status = accepted(&tenant, &place, progress, 0, now);
            let found = conditions::find(&status.conditions, Type::Ready).unwrap();
            (found.status.clone(), found.reason.clone(), found.observed_generation)
        };
        assert_eq!(ready(2, 2), ("True".into(), "Ready".into(), Some(2)));
        assert_eq!(ready(1, 2), ("False".into(), "NotProgrammed".into(), Some(2)));
        assert_eq!(ready(0, 0), ("False".into(), "NotProgrammed".into(), Some(2)));
    }

    #[test]
    fn a_suspended_tenant_is_programmed_but_not_ready() {
        let tenant =
            tenant("team", "acme", EARLY, serde_json::json!({"relayRef": {"name": "main"}, "suspend": true}));
        let place = Place { tenant_id: "acme".parse().unwrap() };
        let progress = Programming::Progress(Progress { acknowledged: 1, ready: 1 });
        let status = accepted(&tenant, &place, progress, 0, jiff::Timestamp::UNIX_EPOCH);
        assert!(conditions::is_true(&status.conditions, Type::Programmed));
        assert!(conditions::is_true(&status.conditions, Type::Suspended));
        assert_eq!(conditions::find(&status.conditions, Type::Ready).unwrap().reason, "Suspended");
        assert!(content(&tenant).suspended);
    }
}
