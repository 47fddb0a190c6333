//! `Agent`: whether its Tenant admits it, its identity, its API keys, what the relay knows of it, and its MCP endpoint.

use std::sync::Arc;
use std::time::Duration;

use crds::condition::Type;
use crds::{Agent, Tenant, label, name};
use kube::{Resource as _, ResourceExt as _};
use protocol::admin;

use crate::backoff::RESYNC;
use crate::claim::{self, Refusal};
use crate::conditions;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::index;
use crate::key::{Kind, Name};
use crate::programming::Programming;
use crate::teardown::{self, Outcome};
use crate::{consent, finalizer, status};

mod credentials;
mod identity;
mod labels;
mod mcp;
mod plan;
mod ring;

pub(crate) use labels::COMPONENT;
pub(crate) use plan::mcp_url;
use plan::{Observed, Place, Snapshot};

/// How soon an Agent is looked at again whose relay is away; its return is noticed by the watch.
const RETRY: Duration = Duration::from_secs(15);

/// Brings one Agent to the state of its spec. Returns when to come again.
///
/// # Errors
/// What kept it from that state; the status says so already.
pub async fn reconcile(context: &Context, name: &Name) -> Result<Option<Duration>> {
    let Some(agent) = context.world.agent(name) else { return Ok(None) };
    let place = place(context, &agent);
    if agent.meta().deletion_timestamp.is_some() {
        return teardown(context, &agent).await;
    }
    match place {
        Ok(place) => provision(context, &agent, &place).await,
        Err(refusal) => {
            lock_out(context, &agent).await?;
            status::report(context, &*agent, &plan::refused(&agent, &refusal, context.now())).await?;
            Ok(Some(RESYNC))
        }
    }
}

/// Whether the Tenant's consent and the Agent's spec are as the status says.
#[must_use]
pub fn is_accepted(agent: &Agent) -> bool {
    agent.status.as_ref().is_some_and(|status| conditions::is_true(&status.conditions, Type::Accepted))
}

fn place(context: &Context, agent: &Agent) -> Result<Place, Refusal> {
    let tenant_name = index::tenant_of(agent);
    let tenant = context.world.tenant(&tenant_name);
    let relay = tenant.as_ref().and_then(|tenant| context.world.relay(&index::relay_of(tenant)));
    let rivals = tenant.as_ref().map(|tenant| rivals(context, agent, tenant)).unwrap_or_default();
    let is_permitted = tenant.as_ref().is_some_and(|tenant| is_permitted(context, tenant, agent));
    let older = tenant.as_ref().map_or(0, |tenant| older_agents(context, agent, tenant));
    plan::place(&Snapshot {
        agent,
        tenant_name: &tenant_name,
        tenant: tenant.as_deref(),
        relay: relay.as_deref(),
        is_permitted,
        rivals,
        older_agents: older,
        cluster_domain: &context.settings.cluster_domain,
    })
}

fn is_permitted(context: &Context, tenant: &Tenant, agent: &Agent) -> bool {
    let namespace = agent.namespace().unwrap_or_default();
    let labels = context.world.namespace(&namespace);
    let labels = labels.as_ref().map(|namespace| namespace.labels());
    consent::admits(
        &tenant.spec.agents.allowed_from,
        &tenant.namespace().unwrap_or_default(),
        &namespace,
        labels,
    )
}

/// Other permitted Agents of the tenant with the same handle.
fn rivals(context: &Context, agent: &Agent, tenant: &Tenant) -> Vec<Arc<Agent>> {
    let claimants = context.world.index.claimants(Kind::Agent, &Name::of(tenant), &index::handle_of(agent));
    claimants
        .iter()
        .filter(|name| **name != Name::of(agent))
        .filter_map(|name| context.world.agent(name))
        .filter(|rival| is_permitted(context, tenant, rival))
        .collect()
}

/// How many accepted Agents of the tenant are older; counted only where the Tenant sets a limit.
fn older_agents(context: &Context, agent: &Agent, tenant: &Tenant) -> usize {
    if tenant.spec.agents.max.is_none() {
        return 0;
    }
    let agents = context.world.index.referrers(Kind::Agent, &Name::of(tenant));
    agents
        .iter()
        .filter_map(|name| context.world.agent(name))
        .filter(|other| is_permitted(context, tenant, other) && claim::is_older(&**other, agent))
        .count()
}

/// Everything an accepted Agent has. What is in the way of one part is reported and does not hold up the others.
async fn provision(context: &Context, agent: &Agent, place: &Place) -> Result<Option<Duration>> {
    finalizer::put(&context.client, agent, label::REVOCATION).await?;
    let root_key = match identity::root_key(context, agent, place).await {
        Ok(root_key) => root_key,
        Err(error) => return obstructed(context, agent, place, error).await,
    };
    let keys = match credentials::converge(context, agent, place, &root_key).await {
        Ok(keys) => keys,
        Err(error) => return obstructed(context, agent, place, error).await,
    };
    let mcp = mcp::apply(context, agent, place, keys.ring.active.is_some()).await;
    let mut observed = Observed {
        ring: keys.view(),
        programming: keys.programming.clone(),
        mcp_is_available: None,
        obstacle: None,
    };
    if agent.spec.mcp.enabled {
        observed.mcp_is_available = Some(mcp::is_available(context, agent));
    }
    observed.obstacle = mcp.as_ref().err().map(|error| crate::error::chain(error));
    let next = plan::accepted(agent, place, &observed, &context.settings.cluster_domain, context.now());
    status::report(context, agent, &next).await?;
    let renewal = mcp?;
    if let Some(error) = keys.failure {
        return Err(error);
    }
    let is_complete = matches!(&keys.programming, Programming::Progress(progress) if progress.is_complete());
    let wait = if is_complete { RESYNC } else { RETRY };
    Ok(Some(wait.min(renewal).min(keys.ring.next_expiry(context.now()).unwrap_or(RESYNC))))
}

/// Reports what is in the way of identity or credentials, such as a Secret that is not ours.
async fn obstructed(
    context: &Context,
    agent: &Agent,
    place: &Place,
    error: Error,
) -> Result<Option<Duration>> {
    let is_name_taken = matches!(error, Error::NameTaken { .. });
    if error.category() != crate::error::Category::Conflict {
        let next = plan::obstructed(agent, place, &crate::error::chain(&error), is_name_taken, context.now());
        status::report(context, agent, &next).await?;
    }
    Err(error)
}

/// An Agent that lost its consent loses its keys at the relay, unless another Agent owns the handle now.
async fn lock_out(context: &Context, agent: &Agent) -> Result<()> {
    let was_accepted = agent.finalizers().iter().any(|found| found == label::REVOCATION);
    if !was_accepted {
        return Ok(());
    }
    let Some((relay, path)) = address(context, agent) else { return Ok(()) };
    let content = admin::AgentSpec { suspended: true, ..admin::AgentSpec::default() };
    match context.fleet.write(&relay, &path, &content).await {
        // The tenant itself is gone from the relay, and its agents with it.
        Err(error) if error.is_refusal() => Ok(()),
        other => other.map(drop).map_err(Error::Relay),
    }
}

/// Relay and path under which this Agent, and no other, is known.
fn address(context: &Context, agent: &Agent) -> Option<(Name, String)> {
    let tenant = context.world.tenant(&index::tenant_of(agent))?;
    if !rivals(context, agent, &tenant).is_empty() && !is_holder(agent) {
        return None;
    }
    let tenant_id = index::tenant_id_of(&tenant).parse().ok()?;
    let handle = index::handle_of(agent).parse().ok()?;
    Some((index::relay_of(&tenant), admin::agent_path(&tenant_id, &handle)))
}

/// Whether the handle is this Agent's: it was accepted, so that no rival can have it.
fn is_holder(agent: &Agent) -> bool {
    is_accepted(agent)
}

/// Revokes the keys at the relay, then lets the object go.
async fn teardown(context: &Context, agent: &Agent) -> Result<Option<Duration>> {
    if !agent.finalizers().iter().any(|found| found == label::REVOCATION) {
        return Ok(None);
    }
    // Without an address the Tenant is gone, and with it everything at the relay, or the handle is somebody else's.
    let outcome = match address(context, agent) {
        Some((relay, path)) => teardown::erase(context, agent, &relay, &path).await?,
        None => Outcome::Gone,
    };
    if let Outcome::Wait(wait) = outcome {
        return Ok(Some(wait));
    }
    teardown::tell(context, agent, &outcome).await;
    finalizer::release(&context.client, agent, label::REVOCATION).await?;
    Ok(None)
}

/// Name of the credentials Secret.
fn credentials_name(agent: &Agent) -> String {
    agent.spec.credentials.secret_name.clone().unwrap_or_else(|| name::agent_credentials(&agent.name_any()))
}
