//! Applies the MCP endpoint of an agent: a StatefulSet of one pod, in the Agent's namespace, that
//! holds the agent's identity and key.

use std::time::Duration;

use crds::{Agent, label, name};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{Resource as _, ResourceExt as _};

use super::labels::labels;
use super::resolve::ResolvedAgent;
use crate::apply::ChildOwner;
use crate::backoff::RESYNC_INTERVAL;
use crate::caches;
use crate::certificate::{self, CertifiedKey};
use crate::collected_errors::CollectedErrors;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::object_key::{Kind, NamespacedName};
use crate::relay::secrets::{AuthorityKind, converge_authority};
use crate::rollout::{self, AwaitedTurn, Precedent};
use crate::secret::{self, Reading};
use crate::tls_secret;
use crate::volume_growth;
use build::McpObjects;

mod build;

/// Brings the endpoint to the state of the spec. It is created when the agent has a key, and left
/// alone while the Relay does not grant its public host. Returns the time until its certificate is
/// due for renewal.
///
/// # Errors
/// [`Error::NameTaken`] for an object of another owner, and errors of the API server.
pub(super) async fn converge(
    context: &Context,
    agent: &Agent,
    resolved: &ResolvedAgent,
    has_key: bool,
) -> Result<Duration> {
    if !agent.spec.mcp.enabled {
        return remove(context, agent).await.map(|()| RESYNC_INTERVAL);
    }
    if !has_key || !resolved.public_host_is_granted {
        return Ok(RESYNC_INTERVAL);
    }
    let mut errors = CollectedErrors::default();
    let renewal = errors.check(serving_certificate(context, agent, resolved).await);
    let objects = McpObjects::build(agent, resolved, &context.settings);
    apply(context, agent, &resolved.relay, objects, &mut errors).await;
    errors.into_result().map(|()| renewal.unwrap_or(RESYNC_INTERVAL))
}

/// Applies every object. One that is refused holds up no other one, but without its certificate the
/// workload waits, because it must not mount somebody else's. The pattern has no `..`, so that an
/// object that is built and not applied does not compile.
async fn apply(
    context: &Context,
    agent: &Agent,
    relay: &NamespacedName,
    objects: McpObjects,
    errors: &mut CollectedErrors,
) {
    let McpObjects { service_account, network_policy, service, stateful_set } = objects;
    let has_certificate = errors.is_empty();
    let (name, owner, labels) = (object_name(agent), agent.uid().unwrap_or_default(), labels(agent));
    let (client, applier) = (&context.client, &context.applier);
    errors.check(applier.apply(client, &owner, &service_account).await);
    let owned = ChildOwner { uid: &owner, labels: &labels };
    errors.check(applier.apply_or_remove(client, owned, &name, network_policy.as_ref()).await);
    errors.check(applier.apply(client, &owner, &service).await);
    if !has_certificate {
        return;
    }
    let grown = volume_growth::converge(context, stateful_set).await;
    let (author, key) = (build::authored(agent), NamespacedName::from_object(agent).key(Kind::Agent));
    let precedent = Precedent::Relay(relay.clone());
    if let Some(stateful_set) = rollout::admit(context, grown.stateful_set, &author, key, &precedent) {
        errors.check(applier.apply(client, &owner, &stateful_set).await);
    }
    errors.check(grown.failure.map_or(Ok(()), Err));
}

/// Removes every object but the Secret, which the operator may not delete. It is deleted with the
/// Agent.
async fn remove(context: &Context, agent: &Agent) -> Result<()> {
    let (name, uid, labels) = (object_name(agent), agent.uid().unwrap_or_default(), labels(agent));
    let (client, applier, owner) =
        (&context.client, &context.applier, ChildOwner { uid: &uid, labels: &labels });
    let mut errors = CollectedErrors::default();
    errors.check(applier.remove::<StatefulSet>(client, owner, &name).await);
    errors.check(applier.remove::<Service>(client, owner, &name).await);
    errors.check(applier.remove::<NetworkPolicy>(client, owner, &name).await);
    errors.check(applier.remove::<ServiceAccount>(client, owner, &name).await);
    errors.into_result()
}

/// What an update of the endpoint by the operator waits for.
pub(super) fn awaited_turn(context: &Context, agent: &Agent) -> Option<AwaitedTurn> {
    context.rollouts.awaited(&object_name(agent))
}

/// Whether a pod of the StatefulSet's current template is available.
#[must_use]
pub(super) fn is_available(context: &Context, agent: &Agent) -> bool {
    let Some(set) = caches::find(&context.caches.stateful_sets, &object_name(agent)) else { return false };
    let Some(status) = &set.status else { return false };
    status.observed_generation == set.meta().generation
        && status.available_replicas.unwrap_or(0) > 0
        && status.updated_replicas.unwrap_or(0) > 0
}

/// Issues a certificate if it is due, and puts the Secret right if somebody changed it. The
/// authority of the relay's endpoints signs, which no agent trusts.
async fn serving_certificate(context: &Context, agent: &Agent, resolved: &ResolvedAgent) -> Result<Duration> {
    let secret_name =
        NamespacedName::new(&agent.namespace().unwrap_or_default(), &name::agent_mcp_tls(&agent.name_any()));
    let uid = agent.uid().unwrap_or_default();
    let found = secret::find(context, &secret_name, label::SECRET_SERVING, &uid, Reading::Always).await?;
    let (hosts, now) = (build::certificate_hosts(agent, &context.settings.cluster_domain), context.now());
    let access = context.relay_replicas.access(&resolved.relay);
    // Empty while the relay's own authority is lost.
    let Some(access) = access.filter(|access| !access.endpoint_authorities.is_empty()) else {
        return Ok(RESYNC_INTERVAL);
    };
    let authorities = access.endpoint_authorities.clone();
    let is_current = |held: &CertifiedKey| !certificate::needs_renewal(Some(held), &authorities, &hosts, now);
    let (certified, authorities) = match found.usable().and_then(tls_secret::parse).filter(is_current) {
        Some(held) => (held, authorities),
        None => issue(context, resolved, &hosts).await?,
    };
    let desired = build::serving_secret(agent, &secret_name, &certified, &authorities);
    secret::write(context, &found, desired).await?;
    let info = certificate::parse(&certified.certificate);
    Ok(info.map_or(RESYNC_INTERVAL, |info| certificate::until_renewal(&info, now)))
}

/// A new certificate, and the authorities that clients trust.
async fn issue(
    context: &Context,
    resolved: &ResolvedAgent,
    hosts: &[String],
) -> Result<(CertifiedKey, String)> {
    let unknown =
        || Error::SecretContent { what: "authority", secret: name::relay_endpoint_ca(&resolved.relay.name) };
    let owner = context.caches.relay(&resolved.relay).ok_or_else(unknown)?;
    let authority = converge_authority(context, &owner, AuthorityKind::Endpoints).await?;
    let issued = certificate::issue_serving(&authority.signing, hosts, context.now())?;
    Ok((issued, authority.trusted()))
}

/// The name of all objects of the endpoint, except the Secret.
fn object_name(agent: &Agent) -> NamespacedName {
    NamespacedName::new(&agent.namespace().unwrap_or_default(), &name::agent_mcp(&agent.name_any()))
}
