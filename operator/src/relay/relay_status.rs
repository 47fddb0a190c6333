//! The status of a Relay, computed from an observation. Pure; the time is an argument.

use crds::condition::{Reason, Type};
use crds::oauth::OAuthStatus;
use crds::relay_status::Certificate;
use crds::{Relay, RelayStatus, name};
use daemon::error_chain;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{Resource as _, ResourceExt as _};

use super::gateway::gateway_status::{self, GatewayObservation};
use super::signing_keys::SigningKeyInfo;
use super::urls;
use crate::certificate::CertificateInfo;
use crate::conditions::{self, Draft};
use crate::error::Error;
use crate::relay_replicas::Contact;
use crate::rollout::AwaitedTurn;

/// The conditions that `Ready` summarizes, in the order in which they are reported.
const PARTS: [(Type, Reason); 5] = [
    (Type::Accepted, Reason::NotAccepted),
    (Type::CertificateReady, Reason::CertificateNotReady),
    (Type::Available, Reason::WorkloadUnavailable),
    (Type::Programmed, Reason::NotProgrammed),
    (Type::GatewayReady, Reason::GatewayNotReady),
];

/// What was observed of a Relay in one reconcile.
#[derive(Debug, Default)]
pub(super) struct RelayObservation {
    pub certificate: Option<CertificateInfo>,
    pub signing_keys: Option<SigningKeyInfo>,
    /// Name of the Secret with the provider's client secret, if it does not exist.
    pub missing_secret: Option<String>,
    /// Why the Secrets or the owned objects are not in place.
    pub obstacle: Option<Obstacle>,
    pub ready_replicas: i32,
    /// Why the volume is smaller than the spec says.
    pub volume_failure: Option<String>,
    /// What an update of the relay or its gateway by the operator waits for.
    pub awaited_turn: Option<AwaitedTurn>,
    pub gateway: GatewayObservation,
    pub contact: Contact,
    pub tenants: i32,
    pub agents: i32,
}

/// The error of a failed step.
#[derive(Debug)]
pub(super) struct Obstacle {
    pub message: String,
    pub is_name_taken: bool,
}

impl Obstacle {
    pub(super) fn from_error(error: &Error) -> Self {
        Self { message: error_chain(error), is_name_taken: matches!(error, Error::NameTaken { .. }) }
    }
}

/// The status of a Relay that is not being deleted.
pub(super) fn status(
    relay: &Relay,
    observed: &RelayObservation,
    cluster_domain: &str,
    now: jiff::Timestamp,
) -> RelayStatus {
    let namespace = relay.namespace().unwrap_or_default();
    let programmed = observed.contact.version.and_then(|version| i64::try_from(version).ok());
    let last = relay.status.as_ref();
    RelayStatus {
        observed_generation: relay.meta().generation,
        url: Some(name::relay_url(&relay.name_any(), &namespace, cluster_domain)),
        version: observed.contact.build.clone().or_else(|| last.and_then(|status| status.version.clone())),
        ready_replicas: observed.ready_replicas,
        programmed_version: programmed.or_else(|| last.and_then(|status| status.programmed_version)),
        tenants: observed.tenants,
        agents: observed.agents,
        certificate: observed
            .certificate
            .as_ref()
            .map(|info| Certificate { not_after: Time(info.not_after) }),
        oauth: Some(oauth(relay, observed, cluster_domain)),
        gateway: gateway_status::status(relay, &observed.gateway, cluster_domain),
        conditions: merged(relay, drafts(relay, observed), now),
        ..last.cloned().unwrap_or_default()
    }
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

/// The status of a deleted Relay that Tenants still use: the last one, with the reason.
pub(super) fn blocked(relay: &Relay, users: usize, now: jiff::Timestamp) -> RelayStatus {
    let mut status = relay.status.clone().unwrap_or_default();
    let message = format!("{users} accepted Tenants still use this Relay; delete them first");
    let drafts = [Draft::holds(Type::DeletionBlocked, Reason::InUse, message)];
    let blocked = merged(relay, drafts.to_vec(), now);
    status.conditions.retain(|condition| condition.type_ != Type::DeletionBlocked.as_str());
    status.conditions.extend(blocked);
    status
}

fn merged(relay: &Relay, drafts: Vec<Draft>, now: jiff::Timestamp) -> Vec<Condition> {
    conditions::merge(conditions::current(relay), &drafts, relay.meta().generation, now)
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
    let stalled = drafts.iter().find(|draft| draft.reason == Reason::SecretNameConflict);
    let progress = conditions::progress(&ready, stalled.or(volume.as_ref()))
        .or_else(|| observed.awaited_turn.map(conditions::awaits_rollout));
    drafts.push(ready);
    drafts.extend(progress);
    drafts
}

fn certificate(observed: &RelayObservation) -> Draft {
    match (&observed.obstacle, &observed.certificate) {
        (Some(obstacle), _) if obstacle.is_name_taken => {
            Draft::fails(Type::CertificateReady, Reason::SecretNameConflict, obstacle.message.clone())
        }
        (Some(obstacle), _) => {
            Draft::fails(Type::CertificateReady, Reason::Pending, obstacle.message.clone())
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
    if observed.ready_replicas > 0 {
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
    let (reachable, ready) = (observed.contact.reachable, observed.ready_replicas);
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
    Draft::holds(Type::Programmed, Reason::Programmed, "every ready replica enforces the current content")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::{create_authority, parse};

    fn relay() -> Relay {
        crate::relay::build::tests::relay(serde_json::json!({"domain": "agents.example.com"}))
    }

    fn now() -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_790_000_000).unwrap()
    }

    fn serving() -> RelayObservation {
        let authority = create_authority("main", now()).unwrap();
        RelayObservation {
            certificate: parse(&authority.certificate),
            signing_keys: None,
            missing_secret: None,
            obstacle: None,
            ready_replicas: 1,
            volume_failure: None,
            awaited_turn: None,
            gateway: GatewayObservation::default(),
            contact: Contact { reachable: 1, build: Some("0.1.0".into()), version: Some(4), is_fresh: false },
            tenants: 2,
            agents: 5,
        }
    }

    fn reason(observed: &RelayObservation, about: Type) -> (String, String) {
        let status = status(&relay(), observed, "cluster.local", now());
        let found = conditions::find(&status.conditions, about).unwrap();
        (found.status.clone(), found.reason.clone())
    }

    #[test]
    fn a_relay_that_serves_and_answers_is_ready() {
        let status = status(&relay(), &serving(), "cluster.local", now());
        assert!(conditions::is_true(&status.conditions, Type::Ready));
        assert!(conditions::find(&status.conditions, Type::Reconciling).is_none());
        assert_eq!(status.url.unwrap(), "wss://main.platform.svc.cluster.local:8443/ws");
        assert_eq!((status.programmed_version, status.tenants, status.agents), (Some(4), 2, 5));
    }

    #[test]
    fn a_ready_pod_that_does_not_answer_is_not_programmed() {
        let observed = RelayObservation { contact: Contact::default(), ..serving() };
        assert_eq!(reason(&observed, Type::Available).0, "True");
        assert_eq!(reason(&observed, Type::Programmed), ("False".into(), "RelayUnavailable".into()));
        assert_eq!(reason(&observed, Type::Ready), ("False".into(), "NotProgrammed".into()));
        assert_eq!(reason(&observed, Type::Reconciling).0, "True");
    }

    #[test]
    fn a_foreign_secret_stalls_the_relay() {
        let obstacle =
            Some(Obstacle { message: "Secret platform/main-ca exists".into(), is_name_taken: true });
        let observed = RelayObservation { obstacle, certificate: None, ..serving() };
        assert_eq!(reason(&observed, Type::CertificateReady), ("False".into(), "SecretNameConflict".into()));
        assert_eq!(reason(&observed, Type::Stalled), ("True".into(), "SecretNameConflict".into()));
    }

    #[test]
    fn a_volume_that_cannot_grow_stalls_a_relay_that_goes_on_serving() {
        let observed = RelayObservation { volume_failure: Some("not expandable".into()), ..serving() };
        assert_eq!(reason(&observed, Type::Ready).0, "True");
        assert_eq!(reason(&observed, Type::Stalled), ("True".into(), "VolumeNotExpandable".into()));
    }

    #[test]
    fn an_update_that_waits_for_its_turn_is_reported_and_the_relay_stays_ready() {
        let observed = RelayObservation { awaited_turn: Some(AwaitedTurn::Budget), ..serving() };
        assert_eq!(reason(&observed, Type::Ready).0, "True");
        assert_eq!(reason(&observed, Type::Reconciling), ("True".into(), "AwaitingRollout".into()));
    }

    #[test]
    fn the_same_observation_again_changes_nothing() {
        let mut relay = relay();
        let first = status(&relay, &serving(), "cluster.local", now());
        relay.status = Some(first.clone());
        let later = jiff::Timestamp::from_second(1_790_009_999).unwrap();
        assert_eq!(
            status(
                &relay,
                &RelayObservation { certificate: Some(certificate_of(&first)), ..serving() },
                "cluster.local",
                later
            ),
            first
        );
    }

    fn certificate_of(status: &RelayStatus) -> crate::certificate::CertificateInfo {
        let mut info = serving().certificate.unwrap();
        info.not_after = status.certificate.as_ref().unwrap().not_after.0;
        info
    }

    #[test]
    fn a_relay_in_use_says_how_many_use_it() {
        let status = blocked(&relay(), 3, now());
        let found = conditions::find(&status.conditions, Type::DeletionBlocked).unwrap();
        assert!(found.message.starts_with("3 accepted Tenants"));
    }
}
