//! What is said about a Relay, from what was observed. Pure.

use crds::condition::{Reason, Type};
use crds::oauth::OAuthStatus;
use crds::relay::Certificate;
use crds::{Relay, RelayStatus, name};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{Resource as _, ResourceExt as _};

use super::{Observed, gateway};
use crate::conditions::{self, Draft};

const PARTS: [(Type, Reason); 5] = [
    (Type::Accepted, Reason::NotAccepted),
    (Type::CertificateReady, Reason::CertificateNotReady),
    (Type::Available, Reason::WorkloadUnavailable),
    (Type::Programmed, Reason::NotProgrammed),
    (Type::McpReady, Reason::McpNotReady),
];

/// The status of a Relay.
pub(crate) fn status(
    relay: &Relay,
    observed: &Observed,
    cluster_domain: &str,
    now: jiff::Timestamp,
) -> RelayStatus {
    let namespace = relay.namespace().unwrap_or_default();
    let programmed = observed.report.version.and_then(|version| i64::try_from(version).ok());
    let last = relay.status.as_ref();
    RelayStatus {
        observed_generation: relay.meta().generation,
        url: Some(name::relay_url(&relay.name_any(), &namespace, cluster_domain)),
        version: observed.report.build.clone().or_else(|| last.and_then(|status| status.version.clone())),
        ready_replicas: observed.ready_replicas,
        programmed_version: programmed.or_else(|| last.and_then(|status| status.programmed_version)),
        tenants: observed.tenants,
        agents: observed.agents,
        certificate: observed
            .certificate
            .as_ref()
            .map(|facts| Certificate { not_after: Time(facts.not_after) }),
        oauth: Some(oauth(relay, observed, cluster_domain)),
        mcp: gateway::plan::status(relay, &observed.gateway, cluster_domain),
        conditions: merged(relay, drafts(relay, observed), now),
    }
}

fn oauth(relay: &Relay, observed: &Observed, cluster_domain: &str) -> OAuthStatus {
    let time = |seconds: u64| jiff::Timestamp::from_second(i64::try_from(seconds).ok()?).ok().map(Time);
    let last = relay.status.as_ref().and_then(|status| status.oauth.clone()).unwrap_or_default();
    let issuer = super::build::issuer(relay, cluster_domain);
    match &observed.signing_keys {
        Some(facts) => OAuthStatus {
            issuer,
            signing_since: time(facts.since),
            last_handled_rotation: facts.handled.clone(),
        },
        None => OAuthStatus { issuer, ..last },
    }
}

/// The status of a Relay that should go but is in use: as before, with the reason.
pub(crate) fn blocked(relay: &Relay, users: usize, now: jiff::Timestamp) -> RelayStatus {
    let mut status = relay.status.clone().unwrap_or_default();
    let message = format!("{users} accepted Tenants still use this Relay; delete them first");
    let drafts = [Draft::holds(Type::DeletionBlocked, Reason::InUse, message)];
    let blocked = merged(relay, drafts.to_vec(), now);
    status.conditions.retain(|condition| condition.type_ != Type::DeletionBlocked.as_str());
    status.conditions.extend(blocked);
    status
}

fn merged(relay: &Relay, drafts: Vec<Draft>, now: jiff::Timestamp) -> Vec<Condition> {
    let before = relay.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions::merge(before, &drafts, relay.meta().generation, now)
}

fn drafts(relay: &Relay, observed: &Observed) -> Vec<Draft> {
    let mut drafts = vec![
        Draft::holds(Type::Accepted, Reason::Accepted, "the spec is valid"),
        certificate(observed),
        available(observed),
        programmed(observed),
    ];
    drafts.extend(relay.spec.mcp.enabled.then(|| gateway::plan::draft(&observed.gateway)));
    let ready = conditions::ready(&drafts, &PARTS);
    let stalled = drafts.iter().find(|draft| draft.reason == Reason::SecretNameConflict);
    let progress = conditions::progress(&ready, stalled);
    drafts.push(ready);
    drafts.extend(progress);
    drafts
}

fn certificate(observed: &Observed) -> Draft {
    match (&observed.obstacle, &observed.certificate) {
        (Some(obstacle), _) if obstacle.is_name_taken => {
            Draft::fails(Type::CertificateReady, Reason::SecretNameConflict, obstacle.message.clone())
        }
        (Some(obstacle), _) => {
            Draft::fails(Type::CertificateReady, Reason::Pending, obstacle.message.clone())
        }
        (None, None) => {
            Draft::fails(Type::CertificateReady, Reason::Pending, "the certificate is being made")
        }
        (None, Some(_)) => Draft::holds(
            Type::CertificateReady,
            Reason::Issued,
            "the certificate is valid and renewed in time",
        ),
    }
}

fn available(observed: &Observed) -> Draft {
    if observed.ready_replicas > 0 {
        Draft::holds(Type::Available, Reason::MinimumReplicasAvailable, "the relay serves")
    } else if let Some(secret) = &observed.missing_secret {
        let message =
            format!("spec.oauth.provider.clientSecretRef: there is no Secret {secret} in this namespace");
        Draft::fails(Type::Available, Reason::SecretNotFound, message)
    } else {
        Draft::fails(
            Type::Available,
            Reason::MinimumReplicasUnavailable,
            "no relay pod is ready; see the StatefulSet and its pod",
        )
    }
}

fn programmed(observed: &Observed) -> Draft {
    let (reachable, ready) = (observed.report.reachable, observed.ready_replicas);
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
    Draft::holds(Type::Programmed, Reason::Programmed, "every ready replica applies what it was sent")
}

#[cfg(test)]
mod tests {
    use super::super::Obstacle;
    use super::*;
    use crate::certificate::{make_authority, read};
    use crate::fleet::Report;

    fn relay() -> Relay {
        super::super::build::tests::relay(serde_json::json!({"domain": "agents.example.com"}))
    }

    fn now() -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_790_000_000).unwrap()
    }

    fn serving() -> Observed {
        let authority = make_authority("main", now()).unwrap();
        Observed {
            certificate: read(&authority.certificate),
            signing_keys: None,
            missing_secret: None,
            obstacle: None,
            ready_replicas: 1,
            gateway: gateway::Observed::default(),
            report: Report { reachable: 1, build: Some("0.1.0".into()), version: Some(4), is_fresh: false },
            tenants: 2,
            agents: 5,
        }
    }

    fn reason(observed: &Observed, about: Type) -> (String, String) {
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
        let observed = Observed { report: Report::default(), ..serving() };
        assert_eq!(reason(&observed, Type::Available).0, "True");
        assert_eq!(reason(&observed, Type::Programmed), ("False".into(), "RelayUnavailable".into()));
        assert_eq!(reason(&observed, Type::Ready), ("False".into(), "NotProgrammed".into()));
        assert_eq!(reason(&observed, Type::Reconciling).0, "True");
    }

    #[test]
    fn a_foreign_secret_stalls_the_relay() {
        let obstacle =
            Some(Obstacle { message: "Secret platform/main-ca exists".into(), is_name_taken: true });
        let observed = Observed { obstacle, certificate: None, ..serving() };
        assert_eq!(reason(&observed, Type::CertificateReady), ("False".into(), "SecretNameConflict".into()));
        assert_eq!(reason(&observed, Type::Stalled), ("True".into(), "SecretNameConflict".into()));
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
                &Observed { certificate: Some(certificate_of(&first)), ..serving() },
                "cluster.local",
                later
            ),
            first
        );
    }

    fn certificate_of(status: &RelayStatus) -> crate::certificate::Facts {
        let mut facts = serving().certificate.unwrap();
        facts.not_after = status.certificate.as_ref().unwrap().not_after.0;
        facts
    }

    #[test]
    fn a_relay_in_use_says_how_many_use_it() {
        let status = blocked(&relay(), 3, now());
        let found = conditions::find(&status.conditions, Type::DeletionBlocked).unwrap();
        assert!(found.message.starts_with("3 accepted Tenants"));
    }
}
