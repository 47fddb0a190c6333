//! Applies the MCP gateway of a Relay: one URL for all its agents. It holds a certificate and a
//! token, but no agent's key.

use crds::{Relay, name};
use daemon::error_chain;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt as _;

use super::secrets::{RelaySecrets, ServingRequest, converge_serving};
use crate::apply::ChildOwner;
use crate::caches;
use crate::certificate::CertificateInfo;
use crate::collected_errors::CollectedErrors;
use crate::context::Context;
use crate::error::Result;
use crate::object_key::NamespacedName;
use crate::rollout::AwaitedTurn;
use build::GatewayObjects;
use gateway_status::GatewayObservation;

pub mod build;
pub(super) mod gateway_status;
mod replicas;

/// Brings the gateway to the state of the spec. Without the Secrets of the relay, or its own
/// certificate, its workload waits. Returns what its certificate says, or `None` when the Relay has
/// no gateway.
///
/// # Errors
/// [`crate::error::Error::NameTaken`] for an object of another owner, and errors of the API server.
pub(super) async fn converge(
    context: &Context,
    relay: &Relay,
    secrets: Option<&RelaySecrets>,
) -> Result<Option<CertificateInfo>> {
    let name = object_name(relay);
    if !relay.spec.gateway.enabled {
        return remove(context, relay, &name).await.map(|()| None);
    }
    let mut errors = CollectedErrors::default();
    let mut certificate = None;
    if let Some(secrets) = secrets {
        let request = serving_request(context, relay, secrets);
        certificate = errors.check(converge_serving(context, relay, &secrets.authority, &request).await);
    }
    apply(context, relay, &name, GatewayObjects::build(relay, &context.settings), &mut errors).await;
    if certificate.is_some() {
        errors.check(replicas::converge(context, relay, &name).await);
    }
    errors.into_result().map(|()| certificate)
}

/// Applies every object. One that is refused holds up no other one. The pattern has no `..`, so
/// that an object that is built and not applied does not compile.
async fn apply(
    context: &Context,
    relay: &Relay,
    name: &NamespacedName,
    objects: GatewayObjects,
    errors: &mut CollectedErrors,
) {
    let GatewayObjects { service_account, service, disruption_budget, network_policy } = objects;
    let (owner, labels) = (relay.uid().unwrap_or_default(), build::labels(relay));
    let (client, applier) = (&context.client, &context.applier);
    errors.check(applier.apply(client, &owner, &service_account).await);
    errors.check(applier.apply(client, &owner, &service).await);
    errors.check(applier.apply(client, &owner, &disruption_budget).await);
    let owned = ChildOwner { uid: &owner, labels: &labels };
    errors.check(applier.apply_or_remove(client, owned, name, network_policy.as_ref()).await);
}

/// The certificate is signed by the relay's authority, so that clients trust one authority for
/// both. The gateway is a client of the relay and of the endpoints, and gets the authorities of
/// each.
fn serving_request(context: &Context, relay: &Relay, secrets: &RelaySecrets) -> ServingRequest {
    ServingRequest {
        secret: name::relay_gateway_tls(&relay.name_any()),
        hosts: build::hosts(relay, &context.settings.cluster_domain),
        trusted: vec![
            (build::RELAY_AUTHORITIES, secrets.authority.trusted()),
            (build::ENDPOINT_AUTHORITIES, secrets.endpoints.trusted()),
        ],
    }
}

/// Removes every object but the Secrets, which the operator may not delete. They are deleted with
/// the Relay.
async fn remove(context: &Context, relay: &Relay, name: &NamespacedName) -> Result<()> {
    let (uid, labels) = (relay.uid().unwrap_or_default(), build::labels(relay));
    let (client, applier, owner) =
        (&context.client, &context.applier, ChildOwner { uid: &uid, labels: &labels });
    let mut errors = CollectedErrors::default();
    errors.check(applier.remove::<HorizontalPodAutoscaler>(client, owner, name).await);
    errors.check(applier.remove::<Deployment>(client, owner, name).await);
    errors.check(applier.remove::<Service>(client, owner, name).await);
    errors.check(applier.remove::<PodDisruptionBudget>(client, owner, name).await);
    errors.check(applier.remove::<NetworkPolicy>(client, owner, name).await);
    errors.check(applier.remove::<ServiceAccount>(client, owner, name).await);
    errors.into_result()
}

/// The result of [`converge`], and the Deployment from the cache.
pub(super) fn observe(
    context: &Context,
    relay: &Relay,
    converged: &Result<Option<CertificateInfo>>,
) -> GatewayObservation {
    GatewayObservation {
        certificate: converged.as_ref().ok().and_then(Clone::clone),
        deployment: caches::find(&context.caches.deployments, &object_name(relay)),
        obstacle: converged.as_ref().err().map(|error| error_chain(error)),
    }
}

/// What an update of the gateway by the operator waits for.
pub(super) fn awaited_turn(context: &Context, relay: &Relay) -> Option<AwaitedTurn> {
    context.rollouts.awaited(&object_name(relay))
}

/// The name of all objects of the gateway, except Secrets.
fn object_name(relay: &Relay) -> NamespacedName {
    NamespacedName::new(&relay.namespace().unwrap_or_default(), &name::relay_gateway(&relay.name_any()))
}
