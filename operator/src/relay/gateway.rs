//! The MCP gateway of a Relay: one URL for all its agents. It holds a certificate and a token, and no agent's key.

use std::sync::Arc;

use crds::{Relay, name};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt as _;

use super::secrets::{self, Serving};
use crate::certificate::{Authority, Facts};
use crate::context::Context;
use crate::error::{self, Result};
use crate::key::Name;
use crate::world;

pub mod build;
pub(super) mod plan;
mod replicas;

/// What was observed of a gateway.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub certificate: Option<Facts>,
    pub deployment: Option<Arc<Deployment>>,
    /// What is in its way; nothing of the relay waits for that.
    pub obstacle: Option<String>,
}

/// Brings the gateway to what the spec says. Returns what its certificate says; `None` where the Relay has no gateway.
///
/// # Errors
/// A foreign object in the way; what the API server says.
pub(super) async fn converge(
    context: &Context,
    relay: &Relay,
    authority: &Authority,
) -> Result<Option<Facts>> {
    if !relay.spec.mcp.enabled {
        return remove(context, relay).await.map(|()| None);
    }
    let certificate =
        secrets::serving(context, relay, authority, &serving(context, relay, authority)).await?;
    let owner = relay.uid().unwrap_or_default();
    let (client, applier) = (&context.client, &context.applier);
    applier.apply(client, &owner, &build::service_account(relay)).await?;
    applier.apply(client, &owner, &build::service(relay)).await?;
    applier.apply(client, &owner, &build::disruption_budget(relay)).await?;
    match build::network_policy(relay) {
        Some(policy) => applier.apply(client, &owner, &policy).await?,
        None => applier.remove::<NetworkPolicy>(client, &name_of(relay)).await?,
    }
    replicas::converge(context, relay).await?;
    Ok(Some(certificate))
}

/// Clients trust the relay's authority, so it signs for the gateway too; and the gateway trusts the same ones.
fn serving(context: &Context, relay: &Relay, authority: &Authority) -> Serving {
    Serving {
        secret: name::relay_gateway_tls(&relay.name_any()),
        hosts: build::hosts(relay, &context.settings.cluster_domain),
        trusted: Some(authority.trusted()),
    }
}

/// The Secrets stay until the Relay goes: the operator may not delete any.
async fn remove(context: &Context, relay: &Relay) -> Result<()> {
    let (name, client, applier) = (name_of(relay), &context.client, &context.applier);
    applier.remove::<HorizontalPodAutoscaler>(client, &name).await?;
    applier.remove::<Deployment>(client, &name).await?;
    applier.remove::<Service>(client, &name).await?;
    applier.remove::<PodDisruptionBudget>(client, &name).await?;
    applier.remove::<NetworkPolicy>(client, &name).await?;
    applier.remove::<ServiceAccount>(client, &name).await
}

/// What `converge` found, and the Deployment as the cluster has it.
pub(super) fn observe(
    context: &Context,
    relay: &Relay,
    converged: Option<&Result<Option<Facts>>>,
) -> Observed {
    Observed {
        certificate: converged.and_then(|found| found.as_ref().ok()?.clone()),
        deployment: world::find(&context.world.deployments, &name_of(relay)),
        obstacle: converged.and_then(|found| found.as_ref().err()).map(|error| error::chain(error)),
    }
}

fn name_of(relay: &Relay) -> Name {
    Name::new(&relay.namespace().unwrap_or_default(), &name::relay_gateway(&relay.name_any()))
}
