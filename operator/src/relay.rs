//! Reconciles `Relay` objects: Secrets, workload, the content of the replicas, and the MCP gateway.

use std::sync::Arc;
use std::time::Duration;

use crds::{Relay, Tenant, label, name};
use daemon::error_chain;
use kube::{Resource as _, ResourceExt as _};

use crate::apply::ChildOwner;
use crate::backoff::RESYNC_INTERVAL;
use crate::caches;
use crate::certificate;
use crate::collected_errors::CollectedErrors;
use crate::conditions;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::object_key::{Kind, NamespacedName};
use crate::relay_replicas::Contact;
use crate::rollout::{self, Precedent};
use crate::{finalizer, status_writer, volume_growth};
use build::RelayObjects;
use relay_status::{Obstacle, RelayObservation};
use secrets::RelaySecrets;

pub mod build;
mod contact;
pub mod gateway;
mod metadata;
mod relay_secret;
mod relay_status;
pub mod secrets;
mod signing_keys;
mod sweep;
mod sweep_plan;
pub mod urls;

/// What one pass over the owned objects found.
#[derive(Debug)]
struct Applied {
    /// Why objects of the relay are not in place.
    objects: Result<()>,
    missing_secret: Option<String>,
    gateway: Result<Option<certificate::CertificateInfo>>,
    /// Why a volume is smaller than the spec says.
    volume: Result<()>,
}

/// Reconciles one Relay. Returns the delay before the next reconcile.
///
/// A Relay that is being deleted and still in use is served as any other one. Keys must still be
/// revoked at it, and its certificates must not expire.
///
/// # Errors
/// The first step that failed. The status reports it already.
pub async fn reconcile(context: &Context, name: &NamespacedName) -> Result<Option<Duration>> {
    let Some(relay) = context.caches.relay(name) else {
        context.relay_replicas.forget(name);
        return Ok(None);
    };
    let is_deleted = relay.meta().deletion_timestamp.is_some();
    let tenants = accepted_tenants(context, name);
    if is_deleted && (tenants.is_empty() || context.caches.is_terminating(&name.namespace)) {
        finalizer::remove(&context.client, &*relay, label::IN_USE).await?;
        return Ok(None);
    }
    if context.caches.is_terminating(&name.namespace) {
        // The API server takes no new objects in the namespace.
        return reconcile_paused(context, name).await;
    }
    if !is_deleted {
        finalizer::add(&context.client, &*relay, label::IN_USE).await?;
    }
    // The relay is asked as early as possible. What was deleted while no operator ran is refused
    // then.
    let secrets = secrets::converge(context, &relay, name).await;
    let contacted = contact::contact(context, &relay, name).await;
    let applied = apply(context, &relay, name, secrets.as_ref().ok()).await;
    let observed = observe(context, &relay, name, (&secrets, &applied, contacted.as_ref().ok()), &tenants);
    let next = relay_status::status(&relay, &observed, &context.settings.cluster_domain, context.now());
    status_writer::report(context, &*relay, &next).await?;
    let mut errors = CollectedErrors::default();
    errors.check(secrets);
    errors.check(applied.objects);
    errors.check(applied.volume);
    errors.check(applied.gateway);
    errors.check(contacted);
    errors.into_result().map(|()| Some(next_reconcile(context, name, &observed)))
}

/// Contacts a Relay that is paused, or whose namespace is being deleted, and changes no object of
/// it. Its agents are still written to, and deleted ones refused. Returns the delay before the next
/// reconcile.
///
/// # Errors
/// No replica answers, or errors of the API server.
pub async fn reconcile_paused(context: &Context, name: &NamespacedName) -> Result<Option<Duration>> {
    let Some(relay) = context.caches.relay(name) else { return Ok(None) };
    secrets::read_access(context, &relay, name).await?;
    contact::contact(context, &relay, name).await?;
    Ok(Some(context.relay_replicas.until_next_contact(name)))
}

/// Applies everything but the Secrets. Without them the workloads wait, because they must not mount
/// somebody else's.
async fn apply(
    context: &Context,
    relay: &Relay,
    name: &NamespacedName,
    secrets: Option<&RelaySecrets>,
) -> Applied {
    let mut errors = CollectedErrors::default();
    let objects = RelayObjects::build(relay, &context.settings)
        .map_err(|source| Error::WriteSettings(name.to_string(), source));
    let mut volume = Ok(());
    if let Some(objects) = errors.check(objects) {
        let has_secrets = secrets.is_some();
        volume =
            apply_objects(context, relay, name, objects, has_secrets, &mut errors).await.map_or(Ok(()), Err);
    }
    let missing_secret = errors.check(secrets::missing_client_secret(context, relay).await).flatten();
    let gateway = gateway::converge(context, relay, secrets).await;
    Applied { objects: errors.into_result(), missing_secret, gateway, volume }
}

/// Applies every object. One that is refused holds up no other one, but the workload comes last, so
/// that the pod finds what it mounts. The pattern has no `..`, so that an object that is built and
/// not applied does not compile. Returns why the volume could not grow.
async fn apply_objects(
    context: &Context,
    relay: &Relay,
    name: &NamespacedName,
    objects: RelayObjects,
    has_secrets: bool,
    errors: &mut CollectedErrors,
) -> Option<Error> {
    let RelayObjects {
        service_account,
        service,
        headless_service,
        disruption_budget,
        network_policy,
        settings_file,
        stateful_set,
    } = objects;
    let (owner, labels) = (relay.uid().unwrap_or_default(), metadata::labels(relay));
    let (client, applier) = (&context.client, &context.applier);
    errors.check(applier.apply(client, &owner, &service_account).await);
    errors.check(applier.apply(client, &owner, &service).await);
    errors.check(applier.apply(client, &owner, &headless_service).await);
    errors.check(applier.apply(client, &owner, &disruption_budget).await);
    let owned = ChildOwner { uid: &owner, labels: &labels };
    errors.check(applier.apply_or_remove(client, owned, name, network_policy.as_ref()).await);
    if !has_secrets {
        return None;
    }
    let grown = volume_growth::converge(context, stateful_set).await;
    let (author, key) = (build::authored(relay), name.clone().key(Kind::Relay));
    let admitted = rollout::admit(context, grown.stateful_set, &author, key, &Precedent::None);
    if let Some(stateful_set) = &admitted {
        // A pod reads its settings at startup, so they wait together with its template.
        let settings_file = errors.check(applier.apply(client, &owner, &settings_file).await);
        if settings_file.is_some() {
            errors.check(applier.apply(client, &owner, stateful_set).await);
        }
    }
    rollout::report_relay(context, name, admitted.as_ref());
    grown.failure
}

/// What one pass did: the Secrets, the owned objects, and the contact with the relay.
type Steps<'a> = (&'a Result<RelaySecrets>, &'a Applied, Option<&'a Contact>);

fn observe(
    context: &Context,
    relay: &Relay,
    name: &NamespacedName,
    (secrets, applied, contact): Steps<'_>,
    tenants: &[Arc<Tenant>],
) -> RelayObservation {
    let set = NamespacedName::new(&name.namespace, &name::relay(&name.name));
    let agents = tenants.iter().filter_map(|tenant| tenant.status.as_ref()).map(|status| status.agents).sum();
    let found = secrets.as_ref().ok();
    RelayObservation {
        certificate: found.map(|found| found.certificate.clone()),
        ca_fingerprint: found.and_then(|found| found.authority.fingerprint()),
        signing_keys: found.map(|found| found.signing_keys.clone()),
        missing_secret: applied.missing_secret.clone(),
        secrets_obstacle: secrets.as_ref().err().map(Obstacle::from_error),
        objects_obstacle: applied.objects.as_ref().err().map(Obstacle::from_error),
        volume_failure: applied.volume.as_ref().err().map(|error| error_chain(error)),
        stateful_set: caches::find(&context.caches.stateful_sets, &set),
        awaited_turn: context.rollouts.awaited(&set).or_else(|| gateway::awaited_turn(context, relay)),
        gateway: gateway::observe(context, relay, &applied.gateway),
        contact: contact.cloned().unwrap_or_default(),
        contact_state: context.relay_replicas.contact_state(name),
        sweep: context.relay_replicas.last_sweep(name),
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

/// The delay before the next reconcile: until a certificate or a key is due, or the relay is asked
/// again.
fn next_reconcile(context: &Context, name: &NamespacedName, observed: &RelayObservation) -> Duration {
    let now = context.now();
    let certificates = observed.certificate.iter().chain(&observed.gateway.certificate);
    let renewal = certificates.map(|info| certificate::until_renewal(info, now)).min();
    let rotation = observed.signing_keys.as_ref().map(|info| signing_keys::until_next_step(info, now));
    let due = renewal.unwrap_or(RESYNC_INTERVAL).min(rotation.unwrap_or(RESYNC_INTERVAL));
    due.min(context.relay_replicas.until_next_contact(name))
}

#[cfg(test)]
mod tests;
