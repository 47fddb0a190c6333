//! Reconciles `Tenant` objects: acceptance by the Relay, the content of the relay, and invitations.

use std::time::Duration;

use crds::{Tenant, label};
use kube::{Resource as _, ResourceExt as _};
use protocol::admin;

use crate::backoff::RESYNC_INTERVAL;
use crate::context::Context;
use crate::deletion_policy::deletion_policy;
use crate::error::{Error, Result};
use crate::index;
use crate::object_key::{Kind, NamespacedName};
use crate::observed::Observed;
use crate::programming::{Programming, unknown_retry_interval};
use crate::queue::Priority;
use crate::relay_api::Writer;
use crate::teardown::{self, Deletion, Outcome};
use crate::{claimants, conditions, finalizer, status_writer};

pub(crate) mod acceptance;
mod admin_spec;
mod invitation_secret;
mod invitations;
mod resolve;
mod tenant_status;

use admin_spec::admin_spec;
use resolve::ResolvedTenant;

/// Reconciles one Tenant. Returns the delay before the next reconcile.
///
/// # Errors
/// The first step that failed. The status reports it already.
pub async fn reconcile(context: &Context, name: &NamespacedName) -> Result<Option<Duration>> {
    let removed = teardown::remove_leftovers(context, &name.clone().key(Kind::Tenant)).await;
    let Some(tenant) = context.caches.tenant(name) else { return removed.map(|()| None) };
    let next = converge(context, &tenant).await?;
    removed.map(|()| next)
}

async fn converge(context: &Context, tenant: &Tenant) -> Result<Option<Duration>> {
    let relay_name = index::relay_of(tenant);
    let resolved = acceptance::resolve(context, tenant);
    if tenant.meta().deletion_timestamp.is_some() {
        let is_accepted = matches!(resolved, Ok(Observed::Known(_)));
        return teardown(context, tenant, &relay_name, is_accepted).await;
    }
    match resolved {
        Ok(Observed::Known(resolved)) => provision(context, tenant, &relay_name, &resolved).await,
        Ok(Observed::Unknown) => {
            Ok(Some(unknown_retry_interval(context.relay_replicas.has_replicas(&relay_name))))
        }
        Err(refusal) => {
            suspend_refused(context, tenant, &relay_name).await?;
            let agents = accepted_agents(context, &NamespacedName::from_object(tenant));
            let next = tenant_status::refused(tenant, &refusal, agents, context.now());
            status_writer::report(context, tenant, &next).await?;
            Ok(Some(RESYNC_INTERVAL))
        }
    }
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
    let (replicas, uid, content) =
        (&context.relay_replicas, tenant.uid().unwrap_or_default(), admin_spec(tenant));
    let writer = Writer { former_owner: resolved.former_owner.clone(), ..replicas.writer(&uid) };
    let was_held = replicas.holds(relay, &path, &writer, &content);
    let written = replicas.write(relay, &path, &writer, &content).await;
    if agents_may_wait(was_held, replicas.is_acknowledged(relay, &path, &uid)) {
        enqueue_agents(context, &NamespacedName::from_object(tenant));
    }
    let programming = Programming::from_result(&written);
    let invitations = invitations::converge(context, tenant, relay, resolved).await;
    let agents = accepted_agents(context, &NamespacedName::from_object(tenant));
    let former = match programming {
        Programming::Unknown => status_writer::with_written_status(context, tenant).await?,
        _ => None,
    };
    let tenant = former.as_ref().unwrap_or(tenant);
    let mut next = tenant_status::accepted(tenant, resolved, &programming, agents, context.now());
    next.invitations = invitations.statuses;
    status_writer::report(context, tenant, &next).await?;
    written?;
    if let Some(error) = invitations.failure {
        return Err(error);
    }
    Ok(Some(programming.retry_interval()))
}

/// Whether Agents may wait for the tenant: one of them may have met it while it was being written.
/// That the relay acknowledged it before does not help, because a write in between made it unknown.
const fn agents_may_wait(was_held: bool, is_acknowledged: bool) -> bool {
    !was_held && is_acknowledged
}

/// Agents are written to the relay only after it has acknowledged their tenant.
fn enqueue_agents(context: &Context, tenant: &NamespacedName) {
    for agent in context.caches.index.referrers(Kind::Agent, tenant) {
        context.queue.add(agent.key(Kind::Agent), Priority::Normal);
    }
}

/// Suspends a refused Tenant at the relay, if the relay records it as the owner of its id.
async fn suspend_refused(context: &Context, tenant: &Tenant, relay: &NamespacedName) -> Result<()> {
    let Ok(tenant_id) = index::tenant_id_of(tenant).parse() else { return Ok(()) };
    if !claimants::owns(tenant, &acceptance::recorded_owner(context, tenant)) {
        return Ok(());
    }
    let content = admin::TenantSpec { suspended: true, ..admin_spec(tenant) };
    let writer = context.relay_replicas.writer(&tenant.uid().unwrap_or_default());
    let writer = Writer { if_owned: true, ..writer };
    let written =
        context.relay_replicas.write(relay, &admin::tenant_path(&tenant_id), &writer, &content).await;
    match written {
        // The entry is gone, or somebody else got it in the meantime.
        Err(error) if error.is_refusal() => Ok(()),
        other => other.map(drop).map_err(Error::Relay),
    }
}

fn accepted_agents(context: &Context, tenant: &NamespacedName) -> i32 {
    let agents = context.caches.index.referrers(Kind::Agent, tenant);
    let accepted = agents
        .iter()
        .filter_map(|name| context.caches.agent(name))
        .filter(|agent| conditions::is_accepted(&**agent));
    i32::try_from(accepted.count()).unwrap_or(i32::MAX)
}

/// Takes the tenant with its agents and keys away from the relay as the deletion policy says, then
/// removes the finalizer. The finalizer itself proves nothing: every author of an object can set
/// it.
async fn teardown(
    context: &Context,
    tenant: &Tenant,
    relay: &NamespacedName,
    is_accepted: bool,
) -> Result<Option<Duration>> {
    if !tenant.finalizers().iter().any(|found| found == label::TEARDOWN) {
        return Ok(None);
    }
    let recorded = acceptance::recorded_owner(context, tenant);
    let entry = teardown::entry(tenant, &recorded, is_accepted);
    let deletion = Deletion { relay, entry, policy: deletion_policy(tenant.spec.deletion_policy) };
    let outcome = match index::tenant_id_of(tenant).parse() {
        Ok(tenant_id) => {
            teardown::delete_content(context, tenant, &deletion, &admin::tenant_path(&tenant_id)).await?
        }
        // No relay has an entry for a malformed id.
        Err(_) => Outcome::Gone,
    };
    if let Outcome::Wait(delay) = outcome {
        let agents = accepted_agents(context, &NamespacedName::from_object(tenant));
        let next = tenant_status::blocked(tenant, agents, context.now());
        status_writer::report(context, tenant, &next).await?;
        return Ok(Some(delay));
    }
    teardown::publish(context, tenant, &outcome).await;
    finalizer::remove(&context.client, tenant, label::TEARDOWN).await?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_that_met_their_tenant_while_it_was_written_are_woken_when_it_is_there() {
        assert!(agents_may_wait(false, true));
        assert!(!agents_may_wait(false, false), "the relay has not answered yet");
        assert!(!agents_may_wait(true, true), "nothing was written, so nobody met it half written");
    }
}
