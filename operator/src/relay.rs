//! `Relay`: its certificate, its tokens, its pods, what they are known to enforce, and its MCP gateway.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crds::condition::Type;
use crds::{Relay, label, name};
use kube::{Resource as _, ResourceExt as _};

use crate::backoff::RESYNC;
use crate::certificate::{self, Facts};
use crate::conditions;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::fleet::{Access, Report};
use crate::key::{Kind, Name};
use crate::queue::Lane;
use crate::{finalizer, status, world};
use secrets::Serving;

pub mod build;
pub mod gateway;
mod plan;
pub mod secrets;
mod signing_keys;

/// How often a relay that serves is asked whether it still is the one we wrote to; a restart is noticed by the watch.
const POLL: Duration = Duration::from_secs(300);
/// How soon a relay that does not answer yet is asked again; its pod becoming ready is noticed by the watch.
const RETRY: Duration = Duration::from_secs(5);

/// What was observed of a Relay in one pass.
#[derive(Debug, Default)]
struct Observed {
    certificate: Option<Facts>,
    signing_keys: Option<signing_keys::Facts>,
    /// Name of the Secret with the provider's client secret, where there is none.
    missing_secret: Option<String>,
    /// Why the Secrets or the owned objects are not in place.
    obstacle: Option<Obstacle>,
    ready_replicas: i32,
    gateway: gateway::Observed,
    report: Report,
    tenants: i32,
    agents: i32,
}

/// What a pass over the owned objects found.
#[derive(Debug)]
struct Provisioned {
    certificate: Facts,
    signing_keys: signing_keys::Facts,
    missing_secret: Option<String>,
    gateway: Result<Option<Facts>>,
}

#[derive(Debug)]
struct Obstacle {
    message: String,
    is_name_taken: bool,
}

/// Brings one Relay to the state of its spec. Returns when to come again.
///
/// # Errors
/// What kept it from that state; the status says so already.
pub async fn reconcile(context: &Context, name: &Name) -> Result<Option<Duration>> {
    let Some(relay) = context.world.relay(name) else {
        context.fleet.forget(name);
        return Ok(None);
    };
    if relay.meta().deletion_timestamp.is_some() {
        return teardown(context, &relay, name).await;
    }
    finalizer::put(&context.client, &*relay, label::IN_USE).await?;
    let provisioned = provision(context, &relay, name).await;
    let contacted = contact(context, name).await;
    let observed = observe(context, &relay, name, &provisioned, contacted.as_ref().ok());
    let next = plan::status(&relay, &observed, &context.settings.cluster_domain, context.now());
    status::report(context, &*relay, &next).await?;
    provisioned?.gateway?;
    contacted?;
    Ok(Some(next_pass(&observed, context.now())))
}

/// Secrets first, workload last, so that the pod finds what it mounts.
async fn provision(context: &Context, relay: &Relay, name: &Name) -> Result<Provisioned> {
    let authority = secrets::authority(context, relay).await?;
    let cluster_domain = &context.settings.cluster_domain;
    let wanted = Serving::of_relay(relay, cluster_domain);
    let certificate = secrets::serving(context, relay, &authority, &wanted).await?;
    let token = secrets::admin_token(context, relay).await?;
    if relay.spec.mcp.enabled {
        secrets::gateway_token(context, relay).await?;
    }
    let signing_keys = signing_keys::converge(context, relay).await?;
    context.fleet.set_access(name, Access { token, authority: authority.trusted() });
    let owner = relay.uid().unwrap_or_default();
    let (client, applier) = (&context.client, &context.applier);
    applier.apply(client, &owner, &build::service_account(relay)).await?;
    applier.apply(client, &owner, &build::service(relay)).await?;
    applier.apply(client, &owner, &build::headless_service(relay)).await?;
    applier.apply(client, &owner, &build::disruption_budget(relay)).await?;
    match build::network_policy(relay, &context.settings) {
        Some(policy) => applier.apply(client, &owner, &policy).await?,
        None => applier.remove::<k8s_openapi::api::networking::v1::NetworkPolicy>(client, name).await?,
    }
    let file = build::config_map(relay, cluster_domain)
        .map_err(|source| Error::WriteSettings(name.to_string(), source))?;
    applier.apply(client, &owner, &file).await?;
    applier.apply(client, &owner, &build::stateful_set(relay, &context.settings, &file)).await?;
    let missing_secret = secrets::missing_client_secret(context, relay).await?;
    let gateway = gateway::converge(context, relay, &authority).await;
    Ok(Provisioned { certificate, signing_keys, missing_secret, gateway })
}

/// Asks the ready replicas who they are; a fresh one gets everything again.
async fn contact(context: &Context, name: &Name) -> Result<Report> {
    let ready = ready_addresses(context, name);
    let report = context.fleet.contact(name, &ready).await?;
    if report.is_fresh {
        tracing::info!(
            replicas = report.reachable,
            "relay replica is new or has another store: writing everything to it"
        );
        for tenant in context.world.index.referrers(Kind::Tenant, name) {
            context.queue.add(tenant.key(Kind::Tenant), Lane::Urgent);
        }
    }
    Ok(report)
}

/// Addresses of the admin listeners of ready pods.
fn ready_addresses(context: &Context, name: &Name) -> BTreeSet<SocketAddr> {
    let headless = name::relay_headless(&name.name);
    let slices = context.world.endpoint_slices.state_filter(|slice| {
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
    name: &Name,
    provisioned: &Result<Provisioned>,
    report: Option<&Report>,
) -> Observed {
    let stateful_set = world::find(
        &context.world.stateful_sets,
        &Name::new(&name.namespace, &name::relay(&relay.name_any())),
    );
    let tenants: Vec<_> = accepted_tenants(context, name);
    let agents = tenants.iter().filter_map(|tenant| tenant.status.as_ref()).map(|status| status.agents).sum();
    Observed {
        certificate: provisioned.as_ref().ok().map(|found| found.certificate.clone()),
        signing_keys: provisioned.as_ref().ok().map(|found| found.signing_keys.clone()),
        missing_secret: provisioned.as_ref().ok().and_then(|found| found.missing_secret.clone()),
        obstacle: provisioned.as_ref().err().map(obstacle),
        ready_replicas: stateful_set.and_then(|set| set.status.as_ref()?.ready_replicas).unwrap_or(0),
        gateway: gateway::observe(context, relay, provisioned.as_ref().ok().map(|found| &found.gateway)),
        report: report.cloned().unwrap_or_default(),
        tenants: i32::try_from(tenants.len()).unwrap_or(i32::MAX),
        agents,
    }
}

fn obstacle(error: &Error) -> Obstacle {
    Obstacle { message: crate::error::chain(error), is_name_taken: matches!(error, Error::NameTaken { .. }) }
}

fn accepted_tenants(context: &Context, name: &Name) -> Vec<Arc<crds::Tenant>> {
    let referrers = context.world.index.referrers(Kind::Tenant, name);
    referrers
        .iter()
        .filter_map(|tenant| context.world.tenant(tenant))
        .filter(|tenant| {
            tenant.status.as_ref().is_some_and(|s| conditions::is_true(&s.conditions, Type::Accepted))
        })
        .collect()
}

fn next_pass(observed: &Observed, now: jiff::Timestamp) -> Duration {
    if observed.report.reachable == 0 {
        return RETRY;
    }
    let certificates = observed.certificate.iter().chain(&observed.gateway.certificate);
    let renewal = certificates.map(|facts| certificate::renewal_wait(facts, now)).min().unwrap_or(RESYNC);
    let rotation = observed.signing_keys.as_ref().map_or(RESYNC, |facts| signing_keys::wait(facts, now));
    renewal.min(rotation).min(POLL)
}

/// A Relay in use stays until its Tenants are gone, or its namespace goes with all that is in it.
async fn teardown(context: &Context, relay: &Relay, name: &Name) -> Result<Option<Duration>> {
    let users = accepted_tenants(context, name).len();
    if users > 0 && !context.world.is_terminating(&name.namespace) {
        // It still serves, and keys must still be revoked at it.
        let contacted = contact(context, name).await;
        status::report(context, relay, &plan::blocked(relay, users, context.now())).await?;
        contacted?;
        return Ok(Some(POLL));
    }
    finalizer::release(&context.client, relay, label::IN_USE).await?;
    Ok(None)
}
