//! Reconciles `Agent` objects: acceptance by the Tenant, identity, API keys, the content of the
//! relay, and the MCP endpoint.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crds::{Agent, Tenant, label};
use daemon::error_chain;
use k8s_openapi::api::core::v1::Secret;
use kube::{Resource as _, ResourceExt as _};
use protocol::admin;

use crate::backoff::RESYNC_INTERVAL;
use crate::claimants::{self, RecordedOwner};
use crate::collected_errors::CollectedErrors;
use crate::context::Context;
use crate::deletion_policy::deletion_policy;
use crate::error::{Category, Error, Result};
use crate::index;
use crate::object_key::{Kind, NamespacedName};
use crate::observed::Observed;
use crate::programming::{Programming, RETRY_INTERVAL, unknown_retry_interval};
use crate::refusal::Refusal;
use crate::relay_api::Writer;
use crate::secret::Reading;
use crate::settled_secrets::{SecretVersions, SettledSecret, hash_inputs};
use crate::tenant::acceptance;
use crate::{certificate, finalizer, status_writer, teardown};

mod admin_spec;
mod agent_status;
mod credentials;
mod credentials_secret;
mod identity;
mod identity_rotation;
mod key_rotation;
mod labels;
mod mcp;
mod public_host;
mod relay_write;
mod resolve;
pub mod urls;

use agent_status::{AgentObservation, SecretObstacle};
use credentials::ConvergedCredentials;
use identity::RootKey;
use resolve::{AgentSnapshot, ResolvedAgent};

/// Reconciles one Agent. Returns the delay before the next reconcile.
///
/// # Errors
/// The first step that failed. The status reports it already.
pub async fn reconcile(context: &Context, name: &NamespacedName) -> Result<Option<Duration>> {
    let removed = teardown::remove_leftovers(context, &name.clone().key(Kind::Agent)).await;
    let Some(agent) = context.caches.agent(name) else {
        context.settled_secrets.forget(name);
        return removed.map(|()| None);
    };
    let next = converge(context, &agent).await?;
    removed.map(|()| next)
}

async fn converge(context: &Context, agent: &Agent) -> Result<Option<Duration>> {
    if agent.meta().deletion_timestamp.is_some() {
        return remove(context, agent).await;
    }
    // Former versions had a finalizer.
    finalizer::remove(&context.client, agent, label::REVOCATION).await?;
    match resolve(context, agent) {
        Ok(Observed::Known(resolved)) => provision(context, agent, &resolved).await,
        Ok(Observed::Unknown) => Ok(Some(unknown_retry_interval(relay_answers(context, agent)))),
        Err(refusal) => {
            take_keys_away(context, agent).await?;
            let next = agent_status::refused(agent, &refusal, context.now());
            status_writer::report(context, agent, &next).await?;
            Ok(Some(RESYNC_INTERVAL))
        }
    }
}

fn relay_answers(context: &Context, agent: &Agent) -> bool {
    let tenant = context.caches.tenant(&index::tenant_of(agent));
    tenant.is_some_and(|tenant| context.relay_replicas.has_replicas(&index::relay_of(&tenant)))
}

fn resolve(context: &Context, agent: &Agent) -> Result<Observed<ResolvedAgent>, Refusal> {
    let caches = &context.caches;
    let tenant_name = index::tenant_of(agent);
    let tenant = caches.tenant(&tenant_name);
    let tenant = tenant.as_deref();
    let recorded = tenant.map_or(Observed::Known(None), |tenant| recorded_owner(context, tenant, agent));
    if claimants::has_other_owner(agent, &recorded, |uid| caches.undecodable.contains_uid(uid)) {
        return Ok(Observed::Unknown);
    }
    let relay = tenant.and_then(|tenant| caches.relay(&index::relay_of(tenant)));
    resolve::resolve(&AgentSnapshot {
        agent,
        tenant_name: &tenant_name,
        tenant,
        relay: relay.as_deref(),
        is_permitted: tenant.is_some_and(|tenant| is_permitted(context, tenant, agent)),
        tenant_is_accepted: tenant
            .map_or(Observed::Known(false), |tenant| acceptance::is_accepted(context, tenant)),
        other_claimants: tenant.map(|tenant| other_claimants(context, agent, tenant)).unwrap_or_default(),
        recorded,
        earlier_agents: tenant.map_or(Observed::Known(0), |tenant| earlier_agents(context, agent, tenant)),
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

/// The number of permitted Agents of the tenant that come before this one. They are ranked only if
/// there are more than the Tenant allows.
fn earlier_agents(context: &Context, agent: &Agent, tenant: &Tenant) -> Observed<usize> {
    let Some(max) = tenant.spec.agents.max else { return Observed::Known(0) };
    let own = NamespacedName::from_object(agent);
    let names = context.caches.index.referrers(Kind::Agent, &NamespacedName::from_object(tenant));
    if names.len() <= max as usize {
        return Observed::Known(0);
    }
    let others = names.iter().filter(|name| **name != own).filter_map(|name| context.caches.agent(name));
    let others: Vec<_> = others.filter(|other| is_permitted(context, tenant, other)).collect();
    claimants::earlier(agent, &others, |agent| recorded_owner(context, tenant, agent))
}

/// The owner of the Agent's handle in this tenant, as the relay records it.
fn recorded_owner(context: &Context, tenant: &Tenant, agent: &Agent) -> RecordedOwner {
    match relay_path(tenant, agent) {
        Some(path) => context.relay_replicas.holder(&index::relay_of(tenant), &path),
        None => Observed::Known(None),
    }
}

/// The path of the Agent's content at the tenant's relay. `None` for malformed names, which have no
/// content.
fn relay_path(tenant: &Tenant, agent: &Agent) -> Option<String> {
    let tenant_id = index::tenant_id_of(tenant).parse().ok()?;
    let agent_name = index::handle_of(agent).parse().ok()?;
    Some(admin::agent_path(&tenant_id, &agent_name))
}

/// Creates everything that an accepted Agent has. A failed MCP endpoint is reported and does not
/// block the keys.
async fn provision(context: &Context, agent: &Agent, resolved: &ResolvedAgent) -> Result<Option<Duration>> {
    let (root_key, credentials) = match converge_secrets(context, agent, resolved).await {
        Ok(converged) => converged,
        Err(error) => return report_blocked(context, agent, resolved, error).await,
    };
    let mcp = mcp::converge(context, agent, resolved, credentials.keys.active.is_some()).await;
    let access = context.relay_replicas.access(&resolved.relay);
    let observed = AgentObservation {
        keys: credentials.summary(),
        programming: credentials.programming.clone(),
        root_key: credentials.identity_is_stored.then(|| root_key.public()),
        identity_is_lost: root_key.is_lost(),
        ca_fingerprint: access.and_then(|access| certificate::fingerprint(&access.authorities)),
        refused_endpoint: context
            .relay_replicas
            .refused_endpoint(&resolved.relay, &admin::agent_path(&resolved.tenant_id, &resolved.name)),
        mcp_is_available: agent.spec.mcp.enabled.then(|| mcp::is_available(context, agent)),
        obstacle: mcp.as_ref().err().map(|error| error_chain(error)),
        awaited_turn: mcp::awaited_turn(context, agent),
    };
    let cluster_domain = &context.settings.cluster_domain;
    let written = match &credentials.programming {
        Programming::Unknown => status_writer::with_written_status(context, agent).await?,
        _ => None,
    };
    let agent = written.as_ref().unwrap_or(agent);
    let next = agent_status::accepted(agent, resolved, &observed, cluster_domain, context.now());
    status_writer::report(context, agent, &next).await?;
    let renewal = mcp?;
    if let Some(error) = credentials.failure {
        return Err(error);
    }
    let interval = credentials.programming.retry_interval();
    let expiry = credentials.keys.until_next_expiry(context.now()).unwrap_or(RESYNC_INTERVAL);
    Ok(Some(interval.min(renewal).min(expiry)))
}

/// Brings both Secrets and the relay to the same state. Secrets that have not changed are not read
/// again.
///
/// For an Agent without a status, what the watch says of its Secrets is enough. If one exists
/// nevertheless, they are read.
async fn converge_secrets(
    context: &Context,
    agent: &Agent,
    resolved: &ResolvedAgent,
) -> Result<(RootKey, ConvergedCredentials)> {
    let (name, inputs) = (NamespacedName::from_object(agent), secret_inputs(context, agent, resolved));
    if let Some(settled) = settled_secret(context, agent, inputs) {
        let root_key = RootKey::Unchanged(settled.root_key);
        let converged = credentials::confirm(context, agent, resolved, &root_key, settled.keys).await;
        return Ok((root_key, converged));
    }
    context.settled_secrets.forget(&name);
    let (root_key, converged) = read_secrets(context, agent, resolved).await?;
    if let Some((versions, due)) = converged.versions.clone().zip(root_key.due()) {
        let due = converged.keys.next_expiry().unwrap_or(due).min(due);
        let (root_key, keys) = (root_key.public(), converged.keys.clone());
        context.settled_secrets.insert(name, SettledSecret { versions, inputs, root_key, keys, due });
    }
    Ok((root_key, converged))
}

/// What is remembered of the Secrets, if it is still true.
fn settled_secret(context: &Context, agent: &Agent, inputs: u64) -> Option<SettledSecret> {
    let version = |name: NamespacedName| context.caches.fingerprints.resource_version::<Secret>(&name);
    let identity = match &agent.spec.identity.external {
        Some(_) => None,
        None => Some(version(identity::secret_name(agent))?),
    };
    let credentials = version(credentials::secret_name(agent))?;
    let now = u64::try_from(context.now().as_second()).unwrap_or(0);
    let versions = SecretVersions { identity, credentials };
    context.settled_secrets.find(&NamespacedName::from_object(agent), &versions, inputs, now)
}

/// The hash of everything that decides about the Secrets.
fn secret_inputs(context: &Context, agent: &Agent, resolved: &ResolvedAgent) -> u64 {
    let access = context.relay_replicas.access(&resolved.relay);
    let authorities = access.as_ref().map(|access| access.authorities.as_str()).unwrap_or_default();
    let uid = agent.uid().unwrap_or_default();
    hash_inputs(&[&uid, &format!("{:?}", agent.spec), &format!("{resolved:?}"), authorities])
}

async fn read_secrets(
    context: &Context,
    agent: &Agent,
    resolved: &ResolvedAgent,
) -> Result<(RootKey, ConvergedCredentials)> {
    let reading = if agent.status.is_none() { Reading::TrustWatch } else { Reading::Always };
    match attempt_secrets(context, agent, resolved, reading).await {
        Err(error) if reading == Reading::TrustWatch && error.is_already_there() => {
            attempt_secrets(context, agent, resolved, Reading::Always).await
        }
        converged => converged,
    }
}

async fn attempt_secrets(
    context: &Context,
    agent: &Agent,
    resolved: &ResolvedAgent,
    reading: Reading,
) -> Result<(RootKey, ConvergedCredentials)> {
    let (root_key, stored) = futures::join!(
        identity::find(context, agent, resolved, reading),
        credentials::find(context, agent, resolved, reading)
    );
    let stored = stored?;
    let path = admin::agent_path(&resolved.tenant_id, &resolved.name);
    let recorded = context.relay_replicas.holder(&resolved.relay, &path);
    let may_have_had_one = stored.exist() || recorded.is_unknown() || claimants::owns(agent, &recorded);
    let root_key = identity::check_generated(context, agent, root_key?, may_have_had_one).await?;
    let converged = credentials::converge(context, agent, resolved, &root_key, stored).await?;
    Ok((root_key, converged))
}

/// Reports why the identity or the credentials are not in place, for example because a Secret of
/// that name has another owner. A conflict is only retried. A suspension does not wait for the
/// Secrets.
async fn report_blocked(
    context: &Context,
    agent: &Agent,
    resolved: &ResolvedAgent,
    error: Error,
) -> Result<Option<Duration>> {
    if error.category() != Category::Conflict {
        let obstacle = SecretObstacle::from_error(&error);
        if obstacle.must_not_delay_suspension(agent, resolved) {
            take_keys_away(context, agent).await?;
        }
        let written = status_writer::with_written_status(context, agent).await?;
        let agent = written.as_ref().unwrap_or(agent);
        let next = agent_status::blocked(agent, resolved, &error_chain(&error), obstacle, context.now());
        status_writer::report(context, agent, &next).await?;
    }
    Err(error)
}

/// Takes the keys of an Agent away that is refused, or suspended without readable Secrets.
async fn take_keys_away(context: &Context, agent: &Agent) -> Result<()> {
    let uid = agent.uid().unwrap_or_default();
    let content = admin::AgentSpec {
        root_key: identity::recorded_root_key(agent),
        suspended: true,
        deletion_policy: Some(deletion_policy(agent.spec.deletion_policy)),
        ..admin::AgentSpec::default()
    };
    let mut errors = CollectedErrors::default();
    for (relay, path) in recorded_entries(context, agent) {
        let writer = Writer { if_owned: true, ..context.relay_replicas.writer(&uid) };
        match context.relay_replicas.write(&relay, &path, &writer, &content).await {
            // The entry is gone, or somebody else got it in the meantime.
            Err(error) if error.is_refusal() => {}
            other => drop(errors.check(other.map_err(Error::Relay))),
        }
    }
    errors.into_result()
}

/// The entries of which a relay records the Agent as the owner. Its Tenant says where that is. If
/// the Tenant is gone, while the relay's tenant may live on with another owner, all records are
/// searched.
fn recorded_entries(context: &Context, agent: &Agent) -> BTreeSet<(NamespacedName, String)> {
    let Some(tenant) = context.caches.tenant(&index::tenant_of(agent)) else {
        return context.relay_replicas.owned_entries(&agent.uid().unwrap_or_default());
    };
    let owns = claimants::owns(agent, &recorded_owner(context, &tenant, agent));
    let path = relay_path(&tenant, agent).filter(|_| owns);
    path.map(|path| (index::relay_of(&tenant), path)).into_iter().collect()
}

/// Takes a deleted Agent, which only somebody else's finalizer keeps, away from the relay.
///
/// One that is gone is taken away by [`teardown::remove_leftovers`], and entries at relays that are
/// not there now are found by the sweep. So a deleted Agent waits for nothing.
async fn remove(context: &Context, agent: &Agent) -> Result<Option<Duration>> {
    context.relay_replicas.remove_owned(&agent.uid().unwrap_or_default()).await?;
    finalizer::remove(&context.client, agent, label::REVOCATION).await?;
    Ok(Some(RETRY_INTERVAL))
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
