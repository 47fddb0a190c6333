//! Tests of what a Relay's status says for an observation.

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
        let observed = RelayObservation { secrets_obstacle: obstacle(cause), certificate: None, ..serving() };
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

#[test]
fn a_newer_version_alone_changes_no_status() {
    let (mut relay, observed) = (relay(), serving());
    let first = status(&relay, &observed, "cluster.local", now());
    relay.status = Some(first.clone());
    let contact = Contact { acknowledged: Some(77), ..observed.contact.clone() };
    let newer = RelayObservation { contact, ..observed };
    assert_eq!(status(&relay, &newer, "cluster.local", now()), first);
    let more = RelayObservation { agents: 9, ..newer };
    assert_eq!(status(&relay, &more, "cluster.local", now()).programmed_version, Some(77));
}
