//! Reconciles `Tenant` objects: acceptance by the Relay, the content of the relay, and invitations.

use std::sync::Arc;
use std::time::Duration;

use crds::{Relay, Tenant, label};
use kube::{Resource as _, ResourceExt as _};
use protocol::admin;

use crate::backoff::RESYNC_INTERVAL;
use crate::context::Context;
use crate::error::Result;
use crate::index;
use crate::object_key::{Kind, NamespacedName};
use crate::programming::Programming;
use crate::queue::Priority;
use crate::refusal::Refusal;
use crate::relay_replicas::Progress;
use crate::teardown::{self, Outcome};
use crate::{claimants, conditions, finalizer, status_writer};

mod admin_spec;
mod invitation_secret;
mod invitations;
mod resolve;
mod tenant_status;

use admin_spec::admin_spec;
use resolve::{ResolvedTenant, TenantSnapshot};

/// Interval between two attempts while the relay does not answer. Its return is noticed earlier, by
/// a watch.
const RETRY_INTERVAL: Duration = Duration::from_secs(15);

/// Reconciles one Tenant. Returns the delay before the next reconcile.
///
/// # Errors
/// The first step that failed. The status reports it already.
pub async fn reconcile(context: &Context, name: &NamespacedName) -> Result<Option<Duration>> {
    let Some(tenant) = context.caches.tenant(name) else { return Ok(None) };
    let relay_name = index::relay_of(&tenant);
    let relay = context.caches.relay(&relay_name);
    let resolved = resolve(context, &tenant, relay.as_deref(), &relay_name);
    if tenant.meta().deletion_timestamp.is_some() {
        return teardown(context, &tenant, &relay_name, resolved.ok()).await;
    }
    match resolved {
        Ok(resolved) => provision(context, &tenant, &relay_name, &resolved).await,
        Err(refusal) => {
            revoke_access(context, &tenant, &relay_name).await?;
            let agents = accepted_agents(context, name);
            let next = tenant_status::refused(&tenant, &refusal, agents, context.now());
            status_writer::report(context, &*tenant, &next).await?;
            Ok(Some(RESYNC_INTERVAL))
        }
    }
}

fn resolve(
    context: &Context,
    tenant: &Tenant,
    relay: Option<&Relay>,
    relay_name: &NamespacedName,
) -> Result<ResolvedTenant, Refusal> {
    resolve::resolve(&TenantSnapshot {
        tenant,
        relay_name,
        is_permitted: relay.is_some_and(|relay| is_permitted(context, relay, tenant)),
        other_claimants: relay.map(|relay| other_claimants(context, tenant, relay)).unwrap_or_default(),
    })
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

/// Writes an accepted Tenant and its invitations to the relay, and reports the status.
async fn provision(
    context: &Context,
    tenant: &Tenant,
    relay: &NamespacedName,
    resolved: &ResolvedTenant,
) -> Result<Option<Duration>> {
    finalizer::add(&context.client, tenant, label::TEARDOWN).await?;
    let path = admin::tenant_path(&resolved.tenant_id);
    let was_acknowledged = context.relay_replicas.is_acknowledged(relay, &path);
    let writer = context.relay_replicas.writer(&tenant.uid().unwrap_or_default());
    let written = context.relay_replicas.write(relay, &path, &writer, &admin_spec(tenant)).await;
    if !was_acknowledged && context.relay_replicas.is_acknowledged(relay, &path) {
        enqueue_agents(context, &NamespacedName::from_object(tenant));
    }
    let programming = Programming::from_result(&written);
    let invitations = invitations::converge(context, tenant, relay, resolved).await;
    let agents = accepted_agents(context, &NamespacedName::from_object(tenant));
    let mut next = tenant_status::accepted(tenant, resolved, &programming, agents, context.now());
    next.invitations = invitations.statuses;
    status_writer::report(context, tenant, &next).await?;
    let progress = written?;
    if let Some(error) = invitations.failure {
        return Err(error);
    }
    Ok(Some(if progress.known().is_some_and(Progress::is_complete) {
        RESYNC_INTERVAL
    } else {
        RETRY_INTERVAL
    }))
}

/// Agents are written to the relay only after it has acknowledged their tenant.
fn enqueue_agents(context: &Context, tenant: &NamespacedName) {
    for agent in context.caches.index.referrers(Kind::Agent, tenant) {
        context.queue.add(agent.key(Kind::Agent), Priority::Normal);
    }
}

/// Suspends a Tenant that lost its consent at the relay, unless another Tenant holds the id now.
async fn revoke_access(context: &Context, tenant: &Tenant, relay_name: &NamespacedName) -> Result<()> {
    let was_accepted = tenant.finalizers().iter().any(|found| found == label::TEARDOWN);
    let Some(relay) = context.caches.relay(relay_name).filter(|_| was_accepted) else { return Ok(()) };
    let Ok(tenant_id) = index::tenant_id_of(tenant).parse() else { return Ok(()) };
    if !other_claimants(context, tenant, &relay).is_empty() {
        return Ok(());
    }
    let content = admin::TenantSpec { suspended: true, ..admin_spec(tenant) };
    let writer = context.relay_replicas.writer(&tenant.uid().unwrap_or_default());
    context.relay_replicas.write(relay_name, &admin::tenant_path(&tenant_id), &writer, &content).await?;
    Ok(())
}

fn accepted_agents(context: &Context, tenant: &NamespacedName) -> i32 {
    let agents = context.caches.index.referrers(Kind::Agent, tenant);
    let accepted = agents
        .iter()
        .filter_map(|name| context.caches.agent(name))
        .filter(|agent| conditions::is_accepted(&**agent));
    i32::try_from(accepted.count()).unwrap_or(i32::MAX)
}

/// Deletes the tenant with its agents and keys from the relay, then removes the finalizer.
async fn teardown(
    context: &Context,
    tenant: &Tenant,
    relay: &NamespacedName,
    resolved: Option<ResolvedTenant>,
) -> Result<Option<Duration>> {
    if !tenant.finalizers().iter().any(|found| found == label::TEARDOWN) {
        return Ok(None);
    }
    // A refused Tenant has no content at the relay, or its id belongs to another Tenant. One that
    // lost its consent stays suspended at the relay.
    let outcome = match resolved {
        Some(resolved) => {
            let path = admin::tenant_path(&resolved.tenant_id);
            teardown::delete_content(context, tenant, relay, &path).await?
        }
        None => Outcome::Gone,
    };
    if let Outcome::Wait(delay) = outcome {
        return Ok(Some(delay));
    }
    teardown::publish(context, tenant, &outcome).await;
    finalizer::remove(&context.client, tenant, label::TEARDOWN).await?;
    Ok(None)
}
