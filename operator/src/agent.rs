//! Reconciles `Agent` objects: acceptance by the Tenant, identity, API keys, the content of the
//! relay, and the MCP endpoint.

use std::sync::Arc;
use std::time::Duration;

use crds::{Agent, Tenant, label};
use daemon::error_chain;
use kube::{Resource as _, ResourceExt as _};
use protocol::admin;

use crate::backoff::RESYNC_INTERVAL;
use crate::context::Context;
use crate::error::{Category, Error, Result};
use crate::index;
use crate::object_key::{Kind, NamespacedName};
use crate::programming::Programming;
use crate::refusal::Refusal;
use crate::teardown::{self, Outcome};
use crate::{claimants, conditions, finalizer, status_writer};

mod admin_spec;
mod agent_status;
mod credentials;
#[cfg(test)]
mod fixtures;
mod identity;
mod key_rotation;
mod labels;
mod mcp;
mod resolve;
pub mod urls;

use agent_status::AgentObservation;
use resolve::{AgentSnapshot, ResolvedAgent};

/// Interval between two attempts while the relay does not answer. Its return is noticed earlier, by
/// a watch.
const RETRY_INTERVAL: Duration = Duration::from_secs(15);

/// Reconciles one Agent. Returns the delay before the next reconcile.
///
/// # Errors
/// The first step that failed. The status reports it already.
pub async fn reconcile(context: &Context, name: &NamespacedName) -> Result<Option<Duration>> {
    let Some(agent) = context.caches.agent(name) else { return Ok(None) };
    if agent.meta().deletion_timestamp.is_some() {
        return teardown(context, &agent).await;
    }
    match resolve(context, &agent) {
        Ok(resolved) => provision(context, &agent, &resolved).await,
        Err(refusal) => {
            revoke_access(context, &agent).await?;
            let next = agent_status::refused(&agent, &refusal, context.now());
            status_writer::report(context, &*agent, &next).await?;
            Ok(Some(RESYNC_INTERVAL))
        }
    }
}

fn resolve(context: &Context, agent: &Agent) -> Result<ResolvedAgent, Refusal> {
    let caches = &context.caches;
    let tenant_name = index::tenant_of(agent);
    let tenant = caches.tenant(&tenant_name);
    let tenant = tenant.as_deref();
    let relay = tenant.and_then(|tenant| caches.relay(&index::relay_of(tenant)));
    resolve::resolve(&AgentSnapshot {
        agent,
        tenant_name: &tenant_name,
        tenant,
        relay: relay.as_deref(),
        is_permitted: tenant.is_some_and(|tenant| is_permitted(context, tenant, agent)),
        other_claimants: tenant.map(|tenant| other_claimants(context, agent, tenant)).unwrap_or_default(),
        older_agents: tenant.map_or(0, |tenant| older_agents(context, agent, tenant)),
        cluster_domain: &context.settings.cluster_domain,
    })
}

fn is_permitted(context: &Context, tenant: &Tenant, agent: &Agent) -> bool {
    context.caches.is_permitted(&tenant.spec.agents.allowed_from, tenant, agent)
}

/// Other permitted Agents of the tenant that claim the same handle.
fn other_claimants(context: &Context, agent: &Agent, tenant: &Tenant) -> Vec<Arc<Agent>> {
    let caches = &context.caches;
    let is_permitted = |other: &Agent| is_permitted(context, tenant, other);
    claimants::other_claimants(&caches.index, &caches.agents, agent, is_permitted)
}

/// The number of older permitted Agents of the tenant. Counted only if the Tenant sets a limit.
fn older_agents(context: &Context, agent: &Agent, tenant: &Tenant) -> usize {
    if tenant.spec.agents.max.is_none() {
        return 0;
    }
    let agents = context.caches.index.referrers(Kind::Agent, &NamespacedName::from_object(tenant));
    agents
        .iter()
        .filter_map(|name| context.caches.agent(name))
        .filter(|other| is_permitted(context, tenant, other) && claimants::is_older(&**other, agent))
        .count()
}

/// Creates everything that an accepted Agent has. A failed MCP endpoint is reported and does not
/// block the keys.
async fn provision(context: &Context, agent: &Agent, resolved: &ResolvedAgent) -> Result<Option<Duration>> {
    finalizer::add(&context.client, agent, label::REVOCATION).await?;
    let root_key = match identity::ensure_root_key(context, agent, resolved).await {
        Ok(root_key) => root_key,
        Err(error) => return report_blocked(context, agent, resolved, error).await,
    };
    let credentials = match credentials::converge(context, agent, resolved, &root_key).await {
        Ok(credentials) => credentials,
        Err(error) => return report_blocked(context, agent, resolved, error).await,
    };
    let mcp = mcp::converge(context, agent, resolved, credentials.keys.active.is_some()).await;
    let observed = AgentObservation {
        keys: credentials.summary(),
        programming: credentials.programming.clone(),
        mcp_is_available: agent.spec.mcp.enabled.then(|| mcp::is_available(context, agent)),
        obstacle: mcp.as_ref().err().map(|error| error_chain(error)),
    };
    let cluster_domain = &context.settings.cluster_domain;
    let next = agent_status::accepted(agent, resolved, &observed, cluster_domain, context.now());
    status_writer::report(context, agent, &next).await?;
    let renewal = mcp?;
    if let Some(error) = credentials.failure {
        return Err(error);
    }
    let is_complete =
        matches!(&credentials.programming, Programming::Progress(progress) if progress.is_complete());
    let interval = if is_complete { RESYNC_INTERVAL } else { RETRY_INTERVAL };
    let expiry = credentials.keys.until_next_expiry(context.now()).unwrap_or(RESYNC_INTERVAL);
    Ok(Some(interval.min(renewal).min(expiry)))
}

/// Reports why the identity or the credentials are not in place, for example because a Secret of
/// that name has another owner. A conflict is only retried.
async fn report_blocked(
    context: &Context,
    agent: &Agent,
    resolved: &ResolvedAgent,
    error: Error,
) -> Result<Option<Duration>> {
    let is_name_taken = matches!(error, Error::NameTaken { .. });
    if error.category() != Category::Conflict {
        let next = agent_status::blocked(agent, resolved, &error_chain(&error), is_name_taken, context.now());
        status_writer::report(context, agent, &next).await?;
    }
    Err(error)
}

/// Removes the keys of an Agent that lost its consent from the relay, unless another Agent holds
/// the handle now.
async fn revoke_access(context: &Context, agent: &Agent) -> Result<()> {
    let was_accepted = agent.finalizers().iter().any(|found| found == label::REVOCATION);
    if !was_accepted {
        return Ok(());
    }
    let Some((relay, path)) = relay_path(context, agent) else { return Ok(()) };
    let content = admin::AgentSpec { suspended: true, ..admin::AgentSpec::default() };
    let writer = context.relay_replicas.writer(&agent.uid().unwrap_or_default());
    match context.relay_replicas.write(&relay, &path, &writer, &content).await {
        // The relay has deleted the tenant, and its agents with it.
        Err(error) if error.is_refusal() => Ok(()),
        other => other.map(drop).map_err(Error::Relay),
    }
}

/// The relay and the path of this Agent's content. `None` when the Tenant is gone, or when another
/// Agent may hold the handle. An accepted Agent holds it, so that no other claimant can.
fn relay_path(context: &Context, agent: &Agent) -> Option<(NamespacedName, String)> {
    let tenant = context.caches.tenant(&index::tenant_of(agent))?;
    if !other_claimants(context, agent, &tenant).is_empty() && !conditions::is_accepted(agent) {
        return None;
    }
    let tenant_id = index::tenant_id_of(&tenant).parse().ok()?;
    let agent_name = index::handle_of(agent).parse().ok()?;
    Some((index::relay_of(&tenant), admin::agent_path(&tenant_id, &agent_name)))
}

/// Deletes the Agent's content from the relay, then removes the finalizer.
async fn teardown(context: &Context, agent: &Agent) -> Result<Option<Duration>> {
    if !agent.finalizers().iter().any(|found| found == label::REVOCATION) {
        return Ok(None);
    }
    let outcome = match relay_path(context, agent) {
        Some((relay, path)) => teardown::delete_content(context, agent, &relay, &path).await?,
        None => Outcome::Gone,
    };
    if let Outcome::Wait(delay) = outcome {
        return Ok(Some(delay));
    }
    teardown::publish(context, agent, &outcome).await;
    finalizer::remove(&context.client, agent, label::REVOCATION).await?;
    Ok(None)
}

#[cfg(test)]
mod tests;
