//! Reconciles `Relay` objects: Secrets, workload, the content of the replicas, and the MCP gateway.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crds::{Relay, Tenant, label, name};
use daemon::error_chain;
use kube::{Resource as _, ResourceExt as _};

use crate::backoff::RESYNC_INTERVAL;
use crate::caches;
use crate::certificate::authority::Authority;
use crate::certificate::{self, CertificateInfo};
use crate::conditions;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::object_key::{Kind, NamespacedName};
use crate::queue::Priority;
use crate::relay_api::RelayAccess;
use crate::relay_replicas::Contact;
use crate::rollout::{self, Precedent};
use crate::{finalizer, status_writer, volume_growth};
use build::RelayObjects;
use relay_status::{Obstacle, RelayObservation};
use secrets::ServingRequest;
use signing_keys::SigningKeyInfo;

pub mod build;
pub mod gateway;
mod metadata;
mod relay_status;
pub mod secrets;
mod signing_keys;
pub mod urls;

/// Interval between two version requests to a relay that serves. A restart is noticed earlier, by a
/// watch.
const POLL_INTERVAL: Duration = Duration::from_secs(300);
/// Interval between two version requests to a relay that does not answer yet. A pod that becomes
/// ready is noticed earlier, by a watch.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// What one pass over the Secrets and the owned objects found.
#[derive(Debug)]
struct Provisioned {
    certificate: CertificateInfo,
    signing_keys: SigningKeyInfo,
    missing_secret: Option<String>,
    gateway: Result<Option<CertificateInfo>>,
    /// Why a volume is smaller than the spec says.
    volume: Result<()>,
}

/// The Secrets of a relay, after they were created or renewed.
struct RelaySecrets {
    authority: Authority,
    certificate: CertificateInfo,
    signing_keys: SigningKeyInfo,
}

/// Reconciles one Relay. Returns the delay before the next reconcile.
///
/// # Errors
/// The first step that failed. The status reports it already.
pub async fn reconcile(context: &Context, name: &NamespacedName) -> Result<Option<Duration>> {
    let Some(relay) = context.caches.relay(name) else {
        context.relay_replicas.forget(name);
        return Ok(None);
    };
    if relay.meta().deletion_timestamp.is_some() {
        return teardown(context, &relay, name).await;
    }
    finalizer::add(&context.client, &*relay, label::IN_USE).await?;
    let provisioned = provision(context, &relay, name).await;
    let contacted = contact(context, name).await;
    let observed = observe(context, &relay, name, &provisioned, contacted.as_ref().ok());
    let next = relay_status::status(&relay, &observed, &context.settings.cluster_domain, context.now());
    status_writer::report(context, &*relay, &next).await?;
    let provisioned = provisioned?;
    provisioned.volume?;
    provisioned.gateway?;
    contacted?;
    Ok(Some(next_reconcile(&observed, context.now())))
}

/// Secrets first and the workload last, so that the pod finds what it mounts.
async fn provision(context: &Context, relay: &Relay, name: &NamespacedName) -> Result<Provisioned> {
    let secrets = provision_secrets(context, relay, name).await?;
    let objects = RelayObjects::build(relay, &context.settings)
        .map_err(|source| Error::WriteSettings(name.to_string(), source))?;
    let volume = apply(context, relay, name, objects).await?.map_or(Ok(()), Err);
    let missing_secret = secrets::missing_client_secret(context, relay).await?;
    let gateway = gateway::converge(context, relay, &secrets.authority).await;
    let RelaySecrets { certificate, signing_keys, .. } = secrets;
    Ok(Provisioned { certificate, signing_keys, missing_secret, gateway, volume })
}

async fn provision_secrets(context: &Context, relay: &Relay, name: &NamespacedName) -> Result<RelaySecrets> {
    let authority = secrets::converge_authority(context, relay).await?;
    let request = ServingRequest::for_relay(relay, &context.settings.cluster_domain);
    let certificate = secrets::converge_serving(context, relay, &authority, &request).await?;
    let token = secrets::ensure_admin_token(context, relay).await?;
    if relay.spec.gateway.enabled {
        secrets::ensure_gateway_token(context, relay).await?;
    }
    let signing_keys = signing_keys::converge(context, relay).await?;
    let server_name =
        name::service_host(&name::relay(&name.name), &name.namespace, &context.settings.cluster_domain);
    let access = RelayAccess { token, authorities: authority.trusted(), server_name };
    context.relay_replicas.set_access(name, access);
    Ok(RelaySecrets { authority, certificate, signing_keys })
}

/// Applies every object. The pattern has no `..`, so that an object that is built and not applied
/// does not compile. Returns why the volume could not grow.
async fn apply(
    context: &Context,
    relay: &Relay,
    name: &NamespacedName,
    objects: RelayObjects,
) -> Result<Option<Error>> {
    let RelayObjects {
        service_account,
        service,
        headless_service,
        disruption_budget,
        network_policy,
        settings_file,
        stateful_set,
    } = objects;
    let owner = relay.uid().unwrap_or_default();
    let (client, applier) = (&context.client, &context.applier);
    applier.apply(client, &owner, &service_account).await?;
    applier.apply(client, &owner, &service).await?;
    applier.apply(client, &owner, &headless_service).await?;
    applier.apply(client, &owner, &disruption_budget).await?;
    applier.apply_or_remove(client, &owner, name, network_policy.as_ref()).await?;
    let grown = volume_growth::converge(context, stateful_set).await;
    let (author, key) = (build::authored(relay), name.clone().key(Kind::Relay));
    let admitted = rollout::admit(context, grown.stateful_set, &author, key, &Precedent::None);
    if let Some(stateful_set) = &admitted {
        // A pod reads its settings at startup, so they wait together with its template.
        applier.apply(client, &owner, &settings_file).await?;
        applier.apply(client, &owner, stateful_set).await?;
    }
    rollout::report_relay(context, name, admitted.as_ref());
    Ok(grown.failure)
}

/// Asks the ready replicas for their version. If one is new or lost its store, all Tenants are
/// reconciled, which writes everything again.
async fn contact(context: &Context, name: &NamespacedName) -> Result<Contact> {
    let ready = ready_addresses(context, name);
    let contact = context.relay_replicas.contact(name, &ready).await?;
    if contact.is_fresh {
        tracing::info!(
            replicas = contact.reachable,
            "a relay replica is new or has another store; writing all content again"
        );
        for tenant in context.caches.index.referrers(Kind::Tenant, name) {
            context.queue.add(tenant.key(Kind::Tenant), Priority::Urgent);
        }
    }
    Ok(contact)
}

/// Addresses of the admin listeners of ready pods.
fn ready_addresses(context: &Context, name: &NamespacedName) -> BTreeSet<SocketAddr> {
    let headless = name::relay_headless(&name.name);
    let slices = context.caches.endpoint_slices.filter(|slice| {
        slice.namespace().as_deref() == Some(&*name.namespace)
            && slice.labels().get("kubernetes.io/service-name") == Some(&headless)
    });
    slices
        .iter()
        .flat_map(|slice| &slice.endpoints)
        .filter(|endpoint| {
            endpoint.conditions.as_ref().is_some_and(|conditions| conditions.ready == Some(true))
        })
        .flat_map(|endpoint| &endpoint.addresses)
        .filter_map(|address| address.parse::<IpAddr>().ok())
        .map(|address| SocketAddr::new(address, name::RELAY_ADMIN_PORT))
        .collect()
}

fn observe(
    context: &Context,
    relay: &Relay,
    name: &NamespacedName,
    provisioned: &Result<Provisioned>,
    contact: Option<&Contact>,
) -> RelayObservation {
    let stateful_set = caches::find(
        &context.caches.stateful_sets,
        &NamespacedName::new(&name.namespace, &name::relay(&relay.name_any())),
    );
    let tenants = accepted_tenants(context, name);
    let agents = tenants.iter().filter_map(|tenant| tenant.status.as_ref()).map(|status| status.agents).sum();
    let found = provisioned.as_ref().ok();
    RelayObservation {
        certificate: found.map(|found| found.certificate.clone()),
        signing_keys: found.map(|found| found.signing_keys.clone()),
        missing_secret: found.and_then(|found| found.missing_secret.clone()),
        obstacle: provisioned.as_ref().err().map(Obstacle::from_error),
        ready_replicas: stateful_set.and_then(|set| set.status.as_ref()?.ready_replicas).unwrap_or(0),
        awaited_turn: context
            .rollouts
            .awaited(&NamespacedName::new(&name.namespace, &name::relay(&relay.name_any())))
            .or_else(|| gateway::awaited_turn(context, relay)),
        volume_failure: found.and_then(|found| found.volume.as_ref().err()).map(|error| error_chain(error)),
        gateway: gateway::observe(context, relay, found.map(|found| &found.gateway)),
        contact: contact.cloned().unwrap_or_default(),
        tenants: i32::try_from(tenants.len()).unwrap_or(i32::MAX),
        agents,
    }
}

fn accepted_tenants(context: &Context, name: &NamespacedName) -> Vec<Arc<Tenant>> {
    let referrers = context.caches.index.referrers(Kind::Tenant, name);
    referrers
        .iter()
        .filter_map(|tenant| context.caches.tenant(tenant))
        .filter(|tenant| conditions::is_accepted(&**tenant))
        .collect()
}

/// The delay before the next reconcile: until a certificate or a key is due, and at most the poll
/// interval.
fn next_reconcile(observed: &RelayObservation, now: jiff::Timestamp) -> Duration {
    if observed.contact.reachable == 0 {
        return RETRY_INTERVAL;
    }
    let certificates = observed.certificate.iter().chain(&observed.gateway.certificate);
    let renewal = certificates.map(|info| certificate::until_renewal(info, now)).min();
    let rotation = observed.signing_keys.as_ref().map(|info| signing_keys::until_next_step(info, now));
    renewal.unwrap_or(RESYNC_INTERVAL).min(rotation.unwrap_or(RESYNC_INTERVAL)).min(POLL_INTERVAL)
}

/// Releases a deleted Relay when no accepted Tenant refers to it, or when its namespace is deleted
/// too.
async fn teardown(context: &Context, relay: &Relay, name: &NamespacedName) -> Result<Option<Duration>> {
    let users = accepted_tenants(context, name).len();
    if users > 0 && !context.caches.is_terminating(&name.namespace) {
        // The relay still serves, and keys must still be revoked in it.
        let contacted = contact(context, name).await;
        status_writer::report(context, relay, &relay_status::blocked(relay, users, context.now())).await?;
        contacted?;
        return Ok(Some(POLL_INTERVAL));
    }
    finalizer::remove(&context.client, relay, label::IN_USE).await?;
    Ok(None)
}
