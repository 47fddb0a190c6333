//! The status of a Relay, computed from an observation. Pure; the time is an argument.

use std::sync::Arc;

use crds::condition::{Reason, Type};
use crds::oauth::OAuthStatus;
use crds::relay_status::{Certificate, ContactState, ContactStatus};
use crds::{Relay, RelayStatus, label, name};
use daemon::error_chain;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource as _, ResourceExt as _};

use super::gateway::gateway_status::{self, GatewayObservation};
use super::signing_keys::SigningKeyInfo;
use super::urls;
use crate::certificate::CertificateInfo;
use crate::conditions::{self, Draft};
use crate::error::Error;
use crate::observed::Observed;
use crate::relay_replicas::{Contact, SweepResult};
use crate::rollout::AwaitedTurn;

/// The conditions that `Ready` summarizes, in the order in which they are reported.
const PARTS: [(Type, Reason); 5] = [
    (Type::Accepted, Reason::NotAccepted),
    (Type::CertificateReady, Reason::CertificateNotReady),
    (Type::Available, Reason::WorkloadUnavailable),
    (Type::Programmed, Reason::NotProgrammed),
    (Type::GatewayReady, Reason::GatewayNotReady),
];

/// The reasons for which somebody has to change an object.
const STALLED: [Reason; 3] = [Reason::SecretNameConflict, Reason::AuthorityLost, Reason::RemovalBlocked];

/// What was observed of a Relay in one reconcile.
#[derive(Debug, Default)]
pub(super) struct RelayObservation {
    pub certificate: Option<CertificateInfo>,
    /// Of the authority that signs.
    pub ca_fingerprint: Option<String>,
    pub signing_keys: Option<SigningKeyInfo>,
    /// Name of the Secret with the provider's client secret, if it does not exist.
    pub missing_secret: Option<String>,
    /// Why the Secrets are not in place.
    pub secrets_obstacle: Option<Obstacle>,
    /// Why the other owned objects are not in place.
    pub objects_obstacle: Option<Obstacle>,
    /// Why the volume is smaller than the spec says.
    pub volume_failure: Option<String>,
    /// What an update of the relay or its gateway by the operator waits for.
    pub awaited_turn: Option<AwaitedTurn>,
    pub stateful_set: Option<Arc<StatefulSet>>,
    pub gateway: GatewayObservation,
    pub contact: Contact,
    pub contact_state: Observed<ContactState>,
    pub sweep: Observed<SweepResult>,
    pub tenants: i32,
    pub agents: i32,
}

/// The error of a failed step.
#[derive(Debug)]
pub(super) struct Obstacle {
    pub reason: Reason,
    pub message: String,
}

impl Obstacle {
    /// Names every error. The reason is that of the first one that somebody has to end.
    pub(super) fn from_error(error: &Error) -> Self {
        let reason = |error: &Error| match error {
            Error::NameTaken { .. } => Some(Reason::SecretNameConflict),
            Error::AuthorityLost { .. } => Some(Reason::AuthorityLost),
            _ => None,
        };
        let reason = error.parts().iter().find_map(reason).unwrap_or(Reason::Pending);
        Self { reason, message: error_chain(error) }
    }
}

/// The status of a Relay. One that is being deleted is still used by Tenants.
pub(super) fn status(
    relay: &Relay,
    observed: &RelayObservation,
    cluster_domain: &str,
    now: jiff::Timestamp,
) -> RelayStatus {
    let next = observed_status(relay, observed, cluster_domain, now);
    let Some(last) = &relay.status else { return next };
    // A newer version alone is not worth a write. The last one is still enforced.
    let unchanged = RelayStatus { programmed_version: last.programmed_version, ..next.clone() };
    if unchanged == *last { unchanged } else { next }
}

fn observed_status(
    relay: &Relay,
    observed: &RelayObservation,
    cluster_domain: &str,
    now: jiff::Timestamp,
) -> RelayStatus {
    let namespace = relay.namespace().unwrap_or_default();
    let last = relay.status.clone().unwrap_or_default();
    let certificate =
        observed.certificate.as_ref().map(|info| Certificate { not_after: Time(info.not_after) });
    let unclaimed = observed.sweep.known().map(|sweep| i32::try_from(sweep.unclaimed).unwrap_or(i32::MAX));
    RelayStatus {
        observed_generation: relay.meta().generation,
        url: Some(name::relay_url(&relay.name_any(), &namespace, cluster_domain)),
        version: observed.contact.build.clone().or(last.version),
        ready_replicas: ready_replicas(observed),
        programmed_version: programmed_version(&observed.contact, last.programmed_version),
        tenants: observed.tenants,
        agents: observed.agents,
        certificate: certificate.or(last.certificate),
        oauth: Some(oauth(relay, observed, cluster_domain)),
        gateway: gateway_status::status(relay, &observed.gateway, cluster_domain),
        ca_fingerprint: observed.ca_fingerprint.clone().or(last.ca_fingerprint),
        image: image(observed).or(last.image),
        instance: observed.contact.instance.clone().or(last.instance),
        contact: contact(observed.contact_state, last.contact, now),
        unclaimed: unclaimed.or(last.unclaimed),
        conditions: conditions::merge(
            conditions::current(relay),
            &drafts(relay, observed),
            relay.meta().generation,
            now,
        ),
    }
}

/// The version that this operator's writes have reached. Until it writes something, the last one
/// stays, so that a restart changes nothing.
fn programmed_version(contact: &Contact, last: Option<i64>) -> Option<i64> {
    let version = |version: Option<u64>| version.and_then(|version| i64::try_from(version).ok());
    version(contact.acknowledged).or(last).or(version(contact.version))
}

fn contact(
    state: Observed<ContactState>,
    last: Option<ContactStatus>,
    now: jiff::Timestamp,
) -> Option<ContactStatus> {
    let Observed::Known(state) = state else { return last };
    let same = last.filter(|last| last.state == state);
    Some(same.unwrap_or_else(|| ContactStatus { state, since: Time(conditions::whole_seconds(now)) }))
}

fn ready_replicas(observed: &RelayObservation) -> i32 {
    let status = observed.stateful_set.as_ref().and_then(|set| set.status.as_ref());
    status.and_then(|status| status.ready_replicas).unwrap_or(0)
}

/// The image of the StatefulSet's template, as soon as a ready pod runs it.
fn image(observed: &RelayObservation) -> Option<String> {
    let set = observed.stateful_set.as_ref()?;
    let status = set.status.as_ref()?;
    let is_current = status.observed_generation == set.metadata.generation
        && status.updated_replicas == status.ready_replicas
        && status.ready_replicas > Some(0);
    let containers = &set.spec.as_ref()?.template.spec.as_ref()?.containers;
    containers.first()?.image.clone().filter(|_| is_current)
}

fn oauth(relay: &Relay, observed: &RelayObservation, cluster_domain: &str) -> OAuthStatus {
    let time = |seconds: u64| jiff::Timestamp::from_second(i64::try_from(seconds).ok()?).ok().map(Time);
    let last = relay.status.as_ref().and_then(|status| status.oauth.clone()).unwrap_or_default();
    let issuer = urls::issuer(relay, cluster_domain);
    match &observed.signing_keys {
        Some(info) => OAuthStatus {
            issuer,
            signing_since: time(info.since),
            last_handled_rotation: info.handled.clone(),
        },
        None => OAuthStatus { issuer, ..last },
    }
}

fn drafts(relay: &Relay, observed: &RelayObservation) -> Vec<Draft> {
    let mut drafts = vec![
        Draft::holds(Type::Accepted, Reason::Accepted, "the spec is valid"),
        certificate(observed),
        available(observed),
        programmed(observed),
    ];
    drafts.extend(relay.spec.gateway.enabled.then(|| gateway_status::draft(&observed.gateway)));
    let ready = conditions::ready(&drafts, &PARTS);
    let volume = observed.volume_failure.as_ref();
    let volume =
        volume.map(|failure| Draft::fails(Type::Available, Reason::VolumeNotExpandable, failure.clone()));
    let stalled = drafts.iter().find(|draft| STALLED.contains(&draft.reason));
    let progress = conditions::progress(&ready, stalled.or(volume.as_ref()))
        .or_else(|| observed.awaited_turn.map(conditions::awaits_rollout));
    drafts.push(ready);
    drafts.extend(progress);
    if relay.meta().deletion_timestamp.is_some() {
        let message =
            format!("{} accepted Tenants still use this Relay; delete them first", observed.tenants);
        drafts.push(Draft::holds(Type::DeletionBlocked, Reason::InUse, message));
    }
    drafts
}

/// Says only what concerns the certificate and the other Secrets.
fn certificate(observed: &RelayObservation) -> Draft {
    match (&observed.secrets_obstacle, &observed.certificate) {
        (Some(Obstacle { reason, message }), _) => {
            Draft::fails(Type::CertificateReady, *reason, message.clone())
        }
        (None, None) => {
            Draft::fails(Type::CertificateReady, Reason::Pending, "the certificate is being issued")
        }
        (None, Some(_)) => Draft::holds(
            Type::CertificateReady,
            Reason::Issued,
            "the certificate is valid, and the operator renews it before it expires",
        ),
    }
}

fn available(observed: &RelayObservation) -> Draft {
    if let Some(Obstacle { reason, message }) = &observed.objects_obstacle {
        Draft::fails(Type::Available, *reason, message.clone())
    } else if ready_replicas(observed) > 0 {
        Draft::holds(Type::Available, Reason::MinimumReplicasAvailable, "the relay accepts connections")
    } else if let Some(secret) = &observed.missing_secret {
        let message =
            format!("spec.oauth.provider.clientSecretRef: there is no Secret {secret} in this namespace");
        Draft::fails(Type::Available, Reason::SecretNotFound, message)
    } else {
        Draft::fails(
            Type::Available,
            Reason::MinimumReplicasUnavailable,
            "no relay pod is ready; check the StatefulSet and its pod",
        )
    }
}

fn programmed(observed: &RelayObservation) -> Draft {
    let (reachable, ready) = (observed.contact.reachable, ready_replicas(observed));
    if reachable == 0 {
        return Draft::fails(
            Type::Programmed,
            Reason::RelayUnavailable,
            "no ready relay pod answers on its admin port",
        );
    }
    if i64::try_from(reachable).unwrap_or(i64::MAX) < i64::from(ready) {
        let message = format!("{reachable} of {ready} ready replicas answer on their admin port");
        return Draft::fails(Type::Programmed, Reason::AwaitingReplicas, message);
    }
    if let Observed::Known(SweepResult { unclaimed, is_blocked: true }) = observed.sweep {
        let message = format!(
            "the relay holds {unclaimed} entries that no object claims, which is more than half; set the \
             annotation {} to \"{unclaimed}\" to remove them",
            label::CONFIRM_REMOVAL
        );
        return Draft::fails(Type::Programmed, Reason::RemovalBlocked, message);
    }
    Draft::holds(Type::Programmed, Reason::Programmed, "every ready replica enforces the current content")
}

#[cfg(test)]
mod tests;
