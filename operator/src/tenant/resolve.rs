//! Resolves a Tenant's id and decides whether the Relay accepts it. Pure.

use std::sync::Arc;

use crds::Tenant;
use crds::condition::Reason;
use protocol::admin::Owner;
use protocol::did::TenantId;

use crate::claimants::{self, Claim, RecordedOwner};
use crate::index;
use crate::object_key::NamespacedName;
use crate::observed::Observed;
use crate::refusal::Refusal;

/// Everything that the decision about a Tenant depends on.
pub(super) struct TenantSnapshot<'a> {
    pub tenant: &'a Tenant,
    pub relay_name: &'a NamespacedName,
    pub is_permitted: bool,
    /// Other permitted Tenants that claim the same id.
    pub other_claimants: Vec<Arc<Tenant>>,
    /// The owner of the id, as the relay records it.
    pub recorded: RecordedOwner,
}

/// An accepted Tenant with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResolvedTenant {
    pub tenant_id: TenantId,
    /// The owner from which this Tenant takes the id over at the relay.
    pub former_owner: Option<Owner>,
}

/// Decides whether a Tenant is accepted, and resolves its id. Unknown while several Tenants claim
/// the id and the relay's record of its owner is not known.
///
/// # Errors
/// Why it is refused: no consent, an id that another Tenant holds, or a malformed id.
pub(super) fn resolve(snapshot: &TenantSnapshot<'_>) -> Result<Observed<ResolvedTenant>, Refusal> {
    if !snapshot.is_permitted {
        let (referent, field) = (("Relay", snapshot.relay_name), "spec.tenants.allowedFrom");
        return Err(Refusal::not_found(Reason::RelayNotFound, snapshot.tenant, referent, field));
    }
    let claimed = index::tenant_id_of(snapshot.tenant);
    let former_owner = match claimants::decide(snapshot.tenant, &snapshot.other_claimants, &snapshot.recorded)
    {
        Claim::Held { former_owner } => former_owner,
        Claim::Undecided => return Ok(Observed::Unknown),
        Claim::HeldBy(holder) => {
            let id = format!("the id {claimed}");
            return Err(Refusal::name_taken(Reason::TenantIdConflict, &id, snapshot.tenant, &*holder));
        }
    };
    let tenant_id = claimed
        .parse()
        .map_err(|error| Refusal::new(Reason::InvalidSpec, format!("tenant id {claimed}: {error}")))?;
    Ok(Observed::Known(ResolvedTenant { tenant_id, former_owner }))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn snapshot<'a>(
        tenant: &'a Tenant,
        relay: &'a NamespacedName,
        other_claimants: Vec<Tenant>,
    ) -> TenantSnapshot<'a> {
        let other_claimants = other_claimants.into_iter().map(Arc::new).collect();
        TenantSnapshot {
            tenant,
            relay_name: relay,
            is_permitted: true,
            other_claimants,
            recorded: Observed::Known(None),
        }
    }

    const EARLY: &str = "2026-01-01T00:00:00Z";
    const LATE: &str = "2026-06-01T00:00:00Z";

    #[test]
    fn the_name_is_the_id_unless_one_is_given() {
        let relay = NamespacedName::new("platform", "main");
        let tenant_id = |tenant: &Tenant| {
            resolve(&snapshot(tenant, &relay, vec![])).unwrap().known().unwrap().tenant_id.to_string()
        };
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
        let relay = NamespacedName::new("platform", "main");
        let stranger = tenant(
            "rivals",
            "x",
            EARLY,
            serde_json::json!({"relayRef": {"name": "main"}, "tenantId": "acme"}),
        );
        let late = acme(LATE);
        let refusal = resolve(&snapshot(&late, &relay, vec![stranger.clone()])).unwrap_err();
        assert_eq!(refusal.reason, Reason::TenantIdConflict);
        assert!(!refusal.message.contains("rivals"), "{}", refusal.message);
        assert!(resolve(&snapshot(&stranger, &relay, vec![late])).is_ok());
    }

    #[test]
    fn the_tenant_that_the_relay_records_keeps_its_id_against_an_older_one() {
        let relay = NamespacedName::new("platform", "main");
        let spec = serde_json::json!({"relayRef": {"name": "main"}, "tenantId": "acme"});
        let (older, holder) = (tenant("rivals", "x", EARLY, spec), acme(LATE));
        let recorded = Observed::Known(Some(Owner::Kubernetes("uid-team-acme".into())));
        let with = |tenant: &Tenant, other: Tenant| {
            resolve(&TenantSnapshot { recorded: recorded.clone(), ..snapshot(tenant, &relay, vec![other]) })
        };
        assert!(with(&holder, older.clone()).is_ok());
        assert_eq!(with(&older, holder).unwrap_err().reason, Reason::TenantIdConflict);
    }

    #[test]
    fn two_claims_of_an_id_wait_for_the_relays_record_and_one_does_not() {
        let relay = NamespacedName::new("platform", "main");
        let spec = serde_json::json!({"relayRef": {"name": "main"}, "tenantId": "acme"});
        let (tenant, other) = (acme(EARLY), tenant("rivals", "x", LATE, spec));
        let with = |others| {
            resolve(&TenantSnapshot { recorded: Observed::Unknown, ..snapshot(&tenant, &relay, others) })
                .unwrap()
        };
        assert_eq!(with(vec![other]), Observed::Unknown);
        assert!(!with(vec![]).is_unknown());
    }

    #[test]
    fn a_tenant_that_moved_to_another_namespace_takes_its_id_over() {
        let (relay, moved) = (NamespacedName::new("platform", "main"), acme(LATE));
        let former = Some(Owner::Kubernetes("uid-old-namespace-acme".into()));
        let recorded = Observed::Known(former.clone());
        let resolved = resolve(&TenantSnapshot { recorded, ..snapshot(&moved, &relay, vec![]) }).unwrap();
        assert_eq!(resolved.known().unwrap().former_owner, former);
    }

    #[test]
    fn of_two_claims_of_the_same_second_exactly_one_wins() {
        let relay = NamespacedName::new("platform", "main");
        let (one, two) = (
            acme(EARLY),
            tenant(
                "team",
                "other",
                EARLY,
                serde_json::json!({"relayRef": {"name": "main"}, "tenantId": "acme"}),
            ),
        );
        let first = resolve(&snapshot(&one, &relay, vec![two.clone()])).is_ok();
        let second = resolve(&snapshot(&two, &relay, vec![one.clone()])).is_ok();
        assert!(first != second);
    }

    #[test]
    fn a_missing_relay_and_one_that_refuses_look_alike_across_namespaces() {
        let (tenant, relay) = (acme(EARLY), NamespacedName::new("platform", "main"));
        let refusal = resolve(&TenantSnapshot { is_permitted: false, ..snapshot(&tenant, &relay, vec![]) })
            .unwrap_err();
        assert_eq!(
            refusal.reason,
            Reason::RefNotPermitted,
            "the decision does not depend on whether there is such a Relay"
        );
    }
}
