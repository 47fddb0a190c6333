//! Compares what a relay holds with the objects that claim it, removes what no object claims, and
//! reconciles the objects whose entries differ.

use std::collections::{BTreeMap, BTreeSet};

use crds::Relay;
use kube::{Resource as _, ResourceExt as _};
use protocol::admin::{self, DeletionPolicy};

use super::sweep_plan::{EntryClaim, SweepPlan, SweepSnapshot, confirmed_removals};
use crate::context::Context;
use crate::error::Result;
use crate::index;
use crate::object_key::{Kind, NamespacedName};
use crate::queue::Priority;
use crate::relay_replicas::SweepResult;

/// Lists the relay if that is due, and acts on what it holds. Objects are also reconciled when the
/// relay was found, lost, or is back after a write was not sent.
///
/// # Errors
/// The relay does not answer, or refuses the listing.
pub(super) async fn sweep(context: &Context, relay: &Relay, name: &NamespacedName) -> Result<()> {
    let replicas = &context.relay_replicas;
    let confirmed = confirmed_removals(relay);
    let is_held_back = replicas.last_sweep(name).known().is_some_and(|last| last.is_blocked);
    if is_held_back && confirmed.is_some() {
        replicas.list_again(name);
    }
    let listing = replicas.list(name).await?;
    let is_changed = replicas.take_change(name);
    if listing.is_none() && !is_changed {
        return Ok(());
    }
    let mut snapshot = SweepSnapshot {
        listing: listing.clone().unwrap_or_default(),
        claims: gather_claims(context, relay, name),
        confirmed,
        ..SweepSnapshot::default()
    };
    gather_unresolved(context, &mut snapshot);
    if is_changed || snapshot.listing.is_first {
        enqueue_all(context, &snapshot);
    }
    let Some(listing) = listing else { return Ok(()) };
    snapshot.listing = listing;
    let plan = snapshot.plan();
    if !snapshot.listing.is_first {
        for object in &plan.different {
            context.queue.add(object.clone(), Priority::Urgent);
        }
    }
    for agent in &plan.without_tenant {
        context.queue.add(agent.clone(), Priority::Urgent);
    }
    remove(context, name, &plan).await;
    release(context, name, &plan.successions).await;
    Ok(())
}

/// Revokes the keys of former owners whose entries nobody has taken over in time. Records and
/// mailboxes stay for the one who does.
async fn release(context: &Context, name: &NamespacedName, successions: &BTreeSet<(String, String)>) {
    let overdue = context.relay_replicas.overdue_successions(name, successions);
    if !overdue.is_empty() {
        let entries = overdue.len();
        tracing::warn!(entries, "nobody took over entries of deleted objects; revoking their keys");
        context.relay_replicas.remove_all(name, &overdue, Some(DeletionPolicy::Retain)).await;
    }
}

fn enqueue_all(context: &Context, snapshot: &SweepSnapshot) {
    for object in snapshot.objects() {
        let priority = if object.kind == Kind::Tenant { Priority::Urgent } else { Priority::Normal };
        context.queue.add(object, priority);
    }
}

async fn remove(context: &Context, name: &NamespacedName, plan: &SweepPlan) {
    let failed = context.relay_replicas.remove_all(name, &plan.removals, None).await;
    if !plan.removals.is_empty() {
        tracing::info!(entries = plan.unclaimed, failed, "removed what no object claims from the relay");
    }
    if plan.is_blocked {
        tracing::warn!(
            entries = plan.unclaimed,
            "the relay holds many entries that no object claims; nothing is removed before it is confirmed"
        );
    }
    if failed > 0 {
        context.relay_replicas.list_again(name);
    }
    let unclaimed = if plan.is_blocked { plan.unclaimed } else { failed };
    context.relay_replicas.set_last_sweep(name, SweepResult { unclaimed, is_blocked: plan.is_blocked });
}

/// The claims on entries of the relay by path.
fn gather_claims(
    context: &Context,
    relay: &Relay,
    name: &NamespacedName,
) -> BTreeMap<String, Vec<EntryClaim>> {
    let mut claims = BTreeMap::<String, Vec<EntryClaim>>::new();
    for tenant_name in context.caches.index.referrers(Kind::Tenant, name) {
        let Some(tenant) = context.caches.tenant(&tenant_name) else { continue };
        let Ok(tenant_id) = index::tenant_id_of(&tenant).parse() else { continue };
        let path = admin::tenant_path(&tenant_id);
        let is_permitted = context.caches.is_permitted(&relay.spec.tenants.allowed_from, relay, &*tenant);
        for agent_name in context.caches.index.referrers(Kind::Agent, &tenant_name) {
            let Some(agent) = context.caches.agent(&agent_name) else { continue };
            let agent_path = format!("{path}/agents/{}", index::handle_of(&agent));
            let is_agent_permitted = is_permitted
                && context.caches.is_permitted(&tenant.spec.agents.allowed_from, &*tenant, &*agent);
            let claim = EntryClaim::of_agent(&agent, &tenant, &path, is_agent_permitted);
            claims.entry(agent_path).or_default().extend(claim);
        }
        claims.entry(path).or_default().push(EntryClaim::of_tenant(&tenant, is_permitted));
    }
    claims
}

/// Adds the uids of objects that exist and whose path is not known.
fn gather_unresolved(context: &Context, snapshot: &mut SweepSnapshot) {
    let undecodable = &context.caches.undecodable;
    snapshot.unresolved.extend(undecodable.uids());
    for agent in context.caches.agents.all() {
        let tenant = index::tenant_of(&agent);
        if context.caches.tenant(&tenant).is_some() || agent.meta().deletion_timestamp.is_some() {
            continue;
        }
        let is_decodable = !undecodable.contains(&tenant.key(Kind::Tenant));
        let uid = agent.uid().unwrap_or_default();
        if is_decodable {
            let object = NamespacedName::from_object(&*agent).key(Kind::Agent);
            snapshot.without_tenant.insert(uid, object);
        } else {
            snapshot.unresolved.insert(uid);
        }
    }
}
