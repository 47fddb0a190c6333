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
    pub(super) fn from_error(error: &Error) -> Self {
        let reason = match error {
            Error::NameTaken { .. } => Reason::SecretNameConflict,
            Error::AuthorityLost { .. } => Reason::AuthorityLost,
            _ => Reason::Pending,
        };
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
mod tests {
    use super::*;
    use crate::certificate::{AuthoritySubject, create_authority, fingerprint, parse};

    fn relay() -> Relay {
        crate::relay::build::tests::relay(serde_json::json!({"domain": "agents.example.com"}))
    }

    fn now() -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_790_000_000).unwrap()
    }

    fn stateful_set(ready: i32) -> Option<Arc<StatefulSet>> {
        let set = serde_json::json!({
            "metadata": {"name": "main", "generation": 2},
            "spec": {
                "serviceName": "main", "selector": {},
                "template": {"spec": {"containers": [{"name": "relay", "image": "relay:1"}]}},
            },
            "status": {
                "replicas": 1, "observedGeneration": 2, "readyReplicas": ready, "updatedReplicas": 1,
            },
        });
        Some(Arc::new(serde_json::from_value(set).unwrap()))
    }

    fn serving() -> RelayObservation {
        let authority = create_authority(&AuthoritySubject::relay("main"), now()).unwrap();
        RelayObservation {
            certificate: parse(&authority.certificate),
            ca_fingerprint: fingerprint(&authority.certificate),
            stateful_set: stateful_set(1),
            contact: Contact {
                reachable: 1,
                build: Some("0.1.0".into()),
                instance: Some("store".into()),
                version: Some(9),
                acknowledged: Some(4),
                is_fresh: false,
            },
            contact_state: Observed::Known(ContactState::Reached),
            sweep: Observed::Known(SweepResult { unclaimed: 0, is_blocked: false }),
            tenants: 2,
            agents: 5,
            ..RelayObservation::default()
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

    fn obstacle(reason: Reason) -> Option<Obstacle> {
        Some(Obstacle { reason, message: "Secret platform/main-ca exists".into() })
    }

    #[test]
    fn a_foreign_secret_or_a_lost_authority_stalls_the_relay() {
        for cause in [Reason::SecretNameConflict, Reason::AuthorityLost] {
            let observed =
                RelayObservation { secrets_obstacle: obstacle(cause), certificate: None, ..serving() };
            let expected = ("True".into(), cause.as_str().into());
            assert_eq!(reason(&observed, Type::CertificateReady).1, cause.as_str());
            assert_eq!(reason(&observed, Type::Stalled), expected);
        }
    }

    #[test]
    fn an_object_that_cannot_be_applied_says_nothing_about_the_certificate() {
        let observed = RelayObservation { objects_obstacle: obstacle(Reason::Pending), ..serving() };
        assert_eq!(reason(&observed, Type::CertificateReady), ("True".into(), "Issued".into()));
        assert_eq!(reason(&observed, Type::Available), ("False".into(), "Pending".into()));
        assert_eq!(reason(&observed, Type::Ready).0, "False");
    }

    #[test]
    fn only_a_relay_whose_ready_replicas_all_answer_is_programmed() {
        let observed = RelayObservation { stateful_set: stateful_set(2), ..serving() };
        assert_eq!(reason(&observed, Type::Programmed), ("False".into(), "AwaitingReplicas".into()));
        assert_eq!(reason(&observed, Type::Ready), ("False".into(), "NotProgrammed".into()));
    }

    #[test]
    fn a_removal_that_is_held_back_stalls_the_relay_and_names_the_number() {
        let sweep = Observed::Known(SweepResult { unclaimed: 51, is_blocked: true });
        let observed = RelayObservation { sweep, ..serving() };
        assert_eq!(reason(&observed, Type::Programmed), ("False".into(), "RemovalBlocked".into()));
        assert_eq!(reason(&observed, Type::Stalled), ("True".into(), "RemovalBlocked".into()));
        let status = status(&relay(), &observed, "cluster.local", now());
        let found = conditions::find(&status.conditions, Type::Programmed).unwrap();
        assert!(found.message.contains("msg2agent.xyz/confirm-removal to \"51\""), "{}", found.message);
        assert_eq!(status.unclaimed, Some(51));
    }

    /// A restart of the operator changes no status: what it does not know yet stays.
    #[test]
    fn a_relay_that_was_not_contacted_yet_keeps_what_was_last_known() {
        let mut relay = relay();
        let observed = serving();
        let last = status(&relay, &observed, "cluster.local", now());
        relay.status = Some(last.clone());
        let unknown = RelayObservation {
            contact: Contact { acknowledged: None, ..observed.contact },
            sweep: Observed::Unknown,
            contact_state: Observed::Unknown,
            ..observed
        };
        assert_eq!(status(&relay, &unknown, "cluster.local", now()), last);
    }

    #[test]
    fn the_time_of_a_contact_changes_only_with_its_state() {
        let last = ContactStatus { state: ContactState::Reached, since: Time(now()) };
        let later = jiff::Timestamp::from_second(1_790_000_099).unwrap();
        let next = |state| contact(state, Some(last.clone()), later).unwrap();
        assert_eq!(next(Observed::Unknown), last);
        assert_eq!(next(Observed::Known(ContactState::Reached)), last);
        let lost = ContactStatus { state: ContactState::Lost, since: Time(later) };
        assert_eq!(next(Observed::Known(ContactState::Lost)), lost);
    }

    #[test]
    fn the_image_is_reported_when_a_ready_pod_runs_it() {
        assert_eq!(image(&serving()).as_deref(), Some("relay:1"));
        let waiting = RelayObservation { stateful_set: stateful_set(0), ..serving() };
        assert_eq!(image(&waiting), None);
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
        let (mut relay, observed) = (relay(), serving());
        let first = status(&relay, &observed, "cluster.local", now());
        relay.status = Some(first.clone());
        let later = jiff::Timestamp::from_second(1_790_009_999).unwrap();
        assert_eq!(status(&relay, &observed, "cluster.local", later), first);
    }

    #[test]
    fn a_deleted_relay_in_use_says_how_many_use_it_and_reports_everything_else() {
        let mut relay = relay();
        relay.metadata.deletion_timestamp = Some(Time(now()));
        let observed = RelayObservation { tenants: 3, ..serving() };
        let status = status(&relay, &observed, "cluster.local", now());
        let found = conditions::find(&status.conditions, Type::DeletionBlocked).unwrap();
        assert!(found.message.starts_with("3 accepted Tenants"));
        assert!(conditions::is_true(&status.conditions, Type::Ready));
    }
}
