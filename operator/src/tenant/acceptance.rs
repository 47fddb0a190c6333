//! Gathers what decides whether a Tenant is accepted by its Relay, and asks for the decision.
//!
//! The decision is made anew each time from the specs, the namespaces and the relay's record. The
//! Tenant's own status is not asked, because it may be older than the withdrawal of consent.

use std::sync::Arc;

use crds::{Relay, Tenant};
use protocol::admin;

use super::resolve::{self, ResolvedTenant, TenantSnapshot};
use crate::claimants::{self, RecordedOwner};
use crate::context::Context;
use crate::index;
use crate::observed::Observed;
use crate::refusal::Refusal;

/// Decides whether the Relay accepts the Tenant. Unknown while that depends on a record of the
/// relay that is not known.
///
/// # Errors
/// Why the Tenant is refused.
pub(crate) fn resolve(context: &Context, tenant: &Tenant) -> Result<Observed<ResolvedTenant>, Refusal> {
    let relay_name = index::relay_of(tenant);
    let relay = context.caches.relay(&relay_name);
    let relay = relay.as_deref();
    let recorded = recorded_owner(context, tenant);
    if claimants::has_other_owner(tenant, &recorded, |uid| context.caches.undecodable.contains_uid(uid)) {
        return Ok(Observed::Unknown);
    }
    resolve::resolve(&TenantSnapshot {
        tenant,
        relay_name: &relay_name,
        is_permitted: relay.is_some_and(|relay| is_permitted(context, relay, tenant)),
        other_claimants: relay.map(|relay| other_claimants(context, tenant, relay)).unwrap_or_default(),
        recorded,
    })
}

/// Whether the Relay accepts the Tenant.
pub(crate) fn is_accepted(context: &Context, tenant: &Tenant) -> Observed<bool> {
    resolve(context, tenant).map_or(Observed::Known(false), |resolved| resolved.map(|_| true))
}

/// The owner of the Tenant's id, as the relay records it.
pub(super) fn recorded_owner(context: &Context, tenant: &Tenant) -> RecordedOwner {
    // A malformed id has no entry.
    let Ok(tenant_id) = index::tenant_id_of(tenant).parse() else { return Observed::Known(None) };
    context.relay_replicas.holder(&index::relay_of(tenant), &admin::tenant_path(&tenant_id))
}

fn is_permitted(context: &Context, relay: &Relay, tenant: &Tenant) -> bool {
    context.caches.is_permitted(&relay.spec.tenants.allowed_from, relay, tenant)
}

/// Other permitted Tenants of the relay that claim the same id.
fn other_claimants(context: &Context, tenant: &Tenant, relay: &Relay) -> Vec<Arc<Tenant>> {
    let caches = &context.caches;
    let is_permitted = |other: &Tenant| is_permitted(context, relay, other);
    claimants::other_claimants(&caches.index, &caches.tenants, tenant, is_permitted)
}
