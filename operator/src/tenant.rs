//! `Tenant`: whether its Relay admits it, who owns its id, and what the relay knows of it.

use std::sync::Arc;
use std::time::Duration;

use crds::{Relay, Tenant, label};
use kube::{Resource as _, ResourceExt as _};
use protocol::admin;

use crate::backoff::RESYNC;
use crate::context::Context;
use crate::error::Result;
use crate::index;
use crate::key::{Kind, Name};
use crate::programming::Programming;
use crate::queue::Lane;
use crate::teardown::{self, Outcome};
use crate::{consent, finalizer, status};

mod invitations;
mod plan;

use plan::{Place, Snapshot};

/// How soon a Tenant is looked at again whose relay is away; its return is noticed by the watch.
const RETRY: Duration = Duration::from_secs(15);

/// Brings one Tenant to the state of its spec. Returns when to come again.
///
/// # Errors
/// What kept it from that state; the status says so already.
pub async fn reconcile(context: &Context, name: &Name) -> Result<Option<Duration>> {
    let Some(tenant) = context.world.tenant(name) else { return Ok(None) };
    let relay_name = index::relay_of(&tenant);
    let relay = context.world.relay(&relay_name);
    let place = plan::place(&snapshot(context, &tenant, relay.as_deref(), &relay_name));
    if tenant.meta().deletion_timestamp.is_some() {
        return teardown(context, &tenant, &relay_name, place.ok()).await;
    }
    match place {
        Ok(place) => program(context, &tenant, &relay_name, &place).await,
        Err(refusal) => {
            lock_out(context, &tenant, &relay_name).await?;
            let next = plan::refused(&tenant, &refusal, accepted_agents(context, name), context.now());
            status::report(context, &*tenant, &next).await?;
            Ok(Some(RESYNC))
        }
    }
}

fn snapshot<'a>(
    context: &Context,
    tenant: &'a Tenant,
    relay: Option<&'a Relay>,
    relay_name: &'a Name,
) -> Snapshot<'a> {
    let is_permitted = relay.is_some_and(|relay| is_permitted(context, relay, tenant));
    Snapshot { tenant, relay_name, is_permitted, rivals: rivals(context, tenant, relay) }
}

fn is_permitted(context: &Context, relay: &Relay, tenant: &Tenant) -> bool {
    let namespace = tenant.namespace().unwrap_or_default();
    let labels = context.world.namespace(&namespace);
    let labels = labels.as_ref().map(|namespace| namespace.labels());
    consent::admits(
        &relay.spec.tenants.allowed_from,
        &relay.namespace().unwrap_or_default(),
        &namespace,
        labels,
    )
}

/// Other permitted Tenants of the relay with the same id.
fn rivals(context: &Context, tenant: &Tenant, relay: Option<&Relay>) -> Vec<Arc<Tenant>> {
    let Some(relay) = relay else { return Vec::new() };
    let claimed = index::tenant_id_of(tenant);
    let claimants = context.world.index.claimants(Kind::Tenant, &Name::of(relay), &claimed);
    claimants
        .iter()
        .filter(|name| **name != Name::of(tenant))
        .filter_map(|name| context.world.tenant(name))
        .filter(|rival| is_permitted(context, relay, rival))
        .collect()
}

/// Writes the tenant to the relay and reports.
async fn program(
    context: &Context,
    tenant: &Tenant,
    relay: &Name,
    place: &Place,
) -> Result<Option<Duration>> {
    finalizer::put(&context.client, tenant, label::TEARDOWN).await?;
    let path = admin::tenant_path(&place.tenant_id);
    let was_held = context.fleet.holds(relay, &path);
    let written = context.fleet.write(relay, &path, &plan::content(tenant)).await;
    if !was_held && context.fleet.holds(relay, &path) {
        wake_agents(context, &Name::of(tenant));
    }
    let programming = Programming::of(&written);
    let invitations = invitations::converge(context, tenant, relay, place).await;
    let agents = accepted_agents(context, &Name::of(tenant));
    let mut next = plan::accepted(tenant, place, programming, agents, context.now());
    next.invitations = invitations.statuses;
    status::report(context, tenant, &next).await?;
    let progress = written?;
    if let Some(error) = invitations.failure {
        return Err(error);
    }
    Ok(Some(if progress.is_complete() { RESYNC } else { RETRY }))
}

fn wake_agents(context: &Context, tenant: &Name) {
    for agent in context.world.index.referrers(Kind::Agent, tenant) {
        context.queue.add(agent.key(Kind::Agent), Lane::Normal);
    }
}

/// A Tenant that lost its consent is suspended at the relay, unless another Tenant owns the id now.
async fn lock_out(context: &Context, tenant: &Tenant, relay_name: &Name) -> Result<()> {
    let was_accepted = tenant.finalizers().iter().any(|found| found == label::TEARDOWN);
    let Some(relay) = context.world.relay(relay_name).filter(|_| was_accepted) else { return Ok(()) };
    let Ok(tenant_id) = index::tenant_id_of(tenant).parse() else { return Ok(()) };
    if !rivals(context, tenant, Some(&relay)).is_empty() {
        return Ok(());
    }
    let content = admin::TenantSpec { suspended: true, ..plan::content(tenant) };
    context.fleet.write(relay_name, &admin::tenant_path(&tenant_id), &content).await?;
    Ok(())
}

fn accepted_agents(context: &Context, tenant: &Name) -> i32 {
    let agents = context.world.index.referrers(Kind::Agent, tenant);
    let accepted = agents
        .iter()
        .filter_map(|name| context.world.agent(name))
        .filter(|agent| crate::agent::is_accepted(agent));
    i32::try_from(accepted.count()).unwrap_or(i32::MAX)
}

/// Removes the tenant, and with it every agent and key it has, from the relay; then lets the object go.
async fn teardown(
    context: &Context,
    tenant: &Tenant,
    relay: &Name,
    place: Option<Place>,
) -> Result<Option<Duration>> {
    if !tenant.finalizers().iter().any(|found| found == label::TEARDOWN) {
        return Ok(None);
    }
    // Without a place, the relay is gone or never admitted it, or the id is somebody else's. A Tenant that lost its
    // consent stays locked out at the relay.
    let outcome = match place {
        Some(place) => teardown::erase(context, tenant, relay, &admin::tenant_path(&place.tenant_id)).await?,
        None => Outcome::Gone,
    };
    if let Outcome::Wait(wait) = outcome {
        return Ok(Some(wait));
    }
    teardown::tell(context, tenant, &outcome).await;
    finalizer::release(&context.client, tenant, label::TEARDOWN).await?;
    Ok(None)
}
