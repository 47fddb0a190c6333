//! Resolves a Tenant's id and decides whether the Relay accepts it. Pure.

use std::sync::Arc;

use crds::Tenant;
use crds::condition::Reason;
use protocol::did::TenantId;

use crate::claimants::is_older;
use crate::index;
use crate::object_key::NamespacedName;
use crate::refusal::Refusal;

/// Everything that the decision about a Tenant depends on.
pub(super) struct TenantSnapshot<'a> {
    pub tenant: &'a Tenant,
    pub relay_name: &'a NamespacedName,
    pub is_permitted: bool,
    /// Other permitted Tenants that claim the same id.
    pub other_claimants: Vec<Arc<Tenant>>,
}

/// An accepted Tenant with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResolvedTenant {
    pub tenant_id: TenantId,
}

/// Decides whether a Tenant is accepted, and resolves its id.
///
/// # Errors
/// Why it is refused: no consent, an id that an older Tenant holds, or a malformed id.
pub(super) fn resolve(snapshot: &TenantSnapshot<'_>) -> Result<ResolvedTenant, Refusal> {
    if !snapshot.is_permitted {
        let (referent, field) = (("Relay", snapshot.relay_name), "spec.tenants.allowedFrom");
        return Err(Refusal::not_found(Reason::RelayNotFound, snapshot.tenant, referent, field));
    }
    let claimed = index::tenant_id_of(snapshot.tenant);
    if let Some(owner) = snapshot.other_claimants.iter().find(|other| is_older(&***other, snapshot.tenant)) {
        let id = format!("the id {claimed}");
        return Err(Refusal::name_taken(Reason::TenantIdConflict, &id, snapshot.tenant, owner));
    }
    let tenant_id = claimed
        .parse()
        .map_err(|error| Refusal::new(Reason::InvalidSpec, format!("tenant id {claimed}: {error}")))?;
    Ok(ResolvedTenant { tenant_id })
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
        TenantSnapshot { tenant, relay_name: relay, is_permitted: true, other_claimants }
    }

    const EARLY: &str = "2026-01-01T00:00:00Z";
    const LATE: &str = "2026-06-01T00:00:00Z";

    #[test]
    fn the_name_is_the_id_unless_one_is_given() {
        let relay = NamespacedName::new("platform", "main");
        let tenant_id =
            |tenant: &Tenant| resolve(&snapshot(tenant, &relay, vec![])).unwrap().tenant_id.to_string();
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
