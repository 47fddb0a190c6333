//! The MCP endpoint of an agent: a StatefulSet of one pod in the Agent's namespace that holds its identity and speaks for it.

use std::time::Duration;

use crds::{Agent, label, name};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{Resource as _, ResourceExt as _};

use super::plan::Place;
use crate::backoff::RESYNC;
use crate::certificate;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::key::Name;
use crate::secret::{self, Found};
use crate::{relay, world};

mod build;

/// Brings the endpoint to what the spec says; it starts once there is a key for it. Returns when its certificate is due.
///
/// # Errors
/// A foreign object in the way; what the API server says.
pub(crate) async fn apply(
    context: &Context,
    agent: &Agent,
    place: &Place,
    has_key: bool,
) -> Result<Duration> {
    if !agent.spec.mcp.enabled {
        return remove(context, agent).await.map(|()| RESYNC);
    }
    if !has_key {
        return Ok(RESYNC);
    }
    let renewal = serving_certificate(context, agent, place).await?;
    let owner = agent.uid().unwrap_or_default();
    let (client, applier) = (&context.client, &context.applier);
    applier.apply(client, &owner, &build::service_account(agent)).await?;
    applier.apply(client, &owner, &build::network_policy(agent, &place.relay)).await?;
    applier.apply(client, &owner, &build::service(agent)).await?;
    // Of an operator that gave the endpoint no volume.
    let name = Name::new(&agent.namespace().unwrap_or_default(), &name::agent_mcp(&agent.name_any()));
    applier.remove::<Deployment>(client, &name).await?;
    applier.apply(client, &owner, &build::stateful_set(agent, place, &context.settings)).await?;
    Ok(renewal)
}

async fn remove(context: &Context, agent: &Agent) -> Result<()> {
    let name = Name::new(&agent.namespace().unwrap_or_default(), &name::agent_mcp(&agent.name_any()));
    let (client, applier) = (&context.client, &context.applier);
    applier.remove::<StatefulSet>(client, &name).await?;
    applier.remove::<Service>(client, &name).await?;
    applier.remove::<NetworkPolicy>(client, &name).await?;
    // The certificate stays until the Agent goes: the operator may not delete Secrets.
    applier.remove::<ServiceAccount>(client, &name).await
}

/// Whether the newest template of the StatefulSet has an available pod.
#[must_use]
pub(crate) fn is_available(context: &Context, agent: &Agent) -> bool {
    let name = Name::new(&agent.namespace().unwrap_or_default(), &name::agent_mcp(&agent.name_any()));
    let Some(set) = world::find(&context.world.stateful_sets, &name) else { return false };
    let Some(status) = &set.status else { return false };
    status.observed_generation == set.meta().generation
        && status.available_replicas.unwrap_or(0) > 0
        && status.updated_replicas.unwrap_or(0) > 0
}

/// A certificate of the relay's authority, so that clients need to trust one.
async fn serving_certificate(context: &Context, agent: &Agent, place: &Place) -> Result<Duration> {
    let secret_name =
        Name::new(&agent.namespace().unwrap_or_default(), &name::agent_mcp_tls(&agent.name_any()));
    let uid = agent.uid().unwrap_or_default();
    let found = secret::read(&context.client, &secret_name, label::SECRET_SERVING, &uid).await?;
    let hosts = build::hosts(agent, &context.settings.cluster_domain);
    let Some(access) = context.fleet.access(&place.relay) else { return Ok(RESYNC) };
    let held = match &found {
        Found::Ours(held) => secret::text(held, "tls.crt"),
        Found::None | Found::Foreign => None,
    };
    if !certificate::is_due(held.as_ref().map(|pem| pem.as_str()), &access.authority, &hosts, context.now()) {
        let facts = held.as_deref().and_then(|pem| certificate::read(pem));
        return Ok(facts.map_or(RESYNC, |facts| certificate::renewal_wait(&facts, context.now())));
    }
    let unknown = || Error::SecretContent { what: "authority", secret: name::relay_ca(&place.relay.name) };
    let owner = context.world.relay(&place.relay).ok_or_else(unknown)?;
    let authority = relay::secrets::authority(context, &owner).await?;
    let made = certificate::make_serving(&authority.signing, &hosts, context.now())?;
    secret::write(&context.client, &found, build::tls_secret(agent, &secret_name, &made)).await?;
    Ok(RESYNC)
}
