//! Tests of claims: the forged objects of the security review, and moved and restored ones.

use crds::Agent;

use super::*;

/// An Agent with a forged right: the operator's finalizer and a status that says accepted.
fn claimant(uid: &str, created: &str) -> Arc<Agent> {
    let agent = serde_json::from_value(serde_json::json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent",
        "metadata": {"name": "alice", "namespace": "team", "uid": uid, "creationTimestamp": created,
            "finalizers": ["msg2agent.xyz/revocation"]},
        "spec": {"tenantRef": {"name": "acme"}},
        "status": {"conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
            "lastTransitionTime": created}]},
    }));
    Arc::new(agent.unwrap())
}

fn terminating(uid: &str, created: &str) -> Arc<Agent> {
    let mut agent = Agent::clone(&claimant(uid, created));
    agent.metadata.deletion_timestamp = agent.metadata.creation_timestamp.clone();
    Arc::new(agent)
}

fn object(uid: &str) -> RecordedOwner {
    Observed::Known(Some(Owner::Kubernetes(uid.to_owned())))
}

fn held() -> Claim<Arc<Agent>> {
    Claim::Held { former_owner: None }
}

const NOBODY: RecordedOwner = Observed::Known(None);
const EARLY: &str = "2026-01-01T00:00:00Z";
const LATE: &str = "2026-06-01T00:00:00Z";

#[test]
fn the_recorded_owner_holds_its_name_against_an_older_object_with_a_finalizer_and_a_status() {
    let (holder, forged) = (claimant("holder", LATE), claimant("forged", EARLY));
    assert_eq!(decide(&*holder, &[Arc::clone(&forged)], &object("holder")), held());
    assert_eq!(decide(&*forged, &[Arc::clone(&holder)], &object("holder")), Claim::HeldBy(holder));
}

#[test]
fn a_dormant_older_object_that_gets_consent_does_not_displace_the_holder() {
    let (holder, dormant) = (claimant("holder", LATE), claimant("dormant", EARLY));
    assert_eq!(decide(&*holder, &[], &object("holder")), held(), "before the consent");
    assert_eq!(decide(&*holder, &[dormant], &object("holder")), held(), "after it");
}

#[test]
fn the_oldest_claimant_gets_a_name_that_nobody_is_recorded_for() {
    let (old, young) = (claimant("b", EARLY), claimant("a", LATE));
    assert_eq!(decide(&*old, &[Arc::clone(&young)], &NOBODY), held());
    assert_eq!(decide(&*young, &[Arc::clone(&old)], &NOBODY), Claim::HeldBy(old));
}

#[test]
fn of_three_claimants_every_refused_one_names_the_same_holder() {
    let (oldest, middle, young) =
        (claimant("c", EARLY), claimant("b", "2026-02-01T00:00:00Z"), claimant("a", LATE));
    let others = [Arc::clone(&middle), Arc::clone(&oldest)];
    assert_eq!(decide(&*young, &others, &NOBODY), Claim::HeldBy(Arc::clone(&oldest)));
    assert_eq!(decide(&*middle, &[young, Arc::clone(&oldest)], &NOBODY), Claim::HeldBy(oldest));
}

#[test]
fn of_two_claimants_of_the_same_second_exactly_one_holds_the_name() {
    let (one, two) = (claimant("a", EARLY), claimant("b", EARLY));
    assert_eq!(decide(&*one, &[Arc::clone(&two)], &NOBODY), held());
    assert_eq!(decide(&*two, &[Arc::clone(&one)], &NOBODY), Claim::HeldBy(one));
}

#[test]
fn nothing_is_decided_between_claimants_while_the_relays_record_is_unknown() {
    let (old, young) = (claimant("b", EARLY), claimant("a", LATE));
    assert_eq!(decide(&*old, &[Arc::clone(&young)], &Observed::Unknown), Claim::Undecided);
    assert_eq!(decide(&*young, &[old], &Observed::Unknown), Claim::Undecided);
    assert_eq!(decide(&*young, &[], &Observed::Unknown), held(), "the only claimant waits for nobody");
}

#[test]
fn the_holder_takes_over_from_an_object_that_may_no_longer_claim_the_name() {
    let moved = claimant("moved", LATE);
    let former = Some(Owner::Kubernetes("without-consent".into()));
    let expected = Claim::Held { former_owner: former.clone() };
    assert_eq!(decide(&*moved, &[], &Observed::Known(former)), expected);
}

#[test]
fn what_a_person_or_an_agent_itself_made_at_the_relay_is_not_taken_over() {
    for made_by in [Owner::CommandLine, Owner::Registration] {
        assert_eq!(decide(&*claimant("a", LATE), &[], &Observed::Known(Some(made_by))), held());
    }
}

#[test]
fn a_claimant_that_is_being_deleted_holds_the_name_only_while_the_relay_records_it() {
    let (old, young) = (terminating("old", EARLY), claimant("young", LATE));
    assert_eq!(decide(&*young, &[Arc::clone(&old)], &object("old")), Claim::HeldBy(Arc::clone(&old)));
    assert_eq!(decide(&*young, &[old], &NOBODY), held());
}

#[test]
fn only_the_recorded_owner_may_take_access_away() {
    let agent = claimant("mine", EARLY);
    assert!(owns(&*agent, &object("mine")));
    for recorded in [
        Observed::Unknown,
        NOBODY,
        object("of-somebody-else"),
        Observed::Known(Some(Owner::CommandLine)),
        Observed::Known(Some(Owner::Registration)),
    ] {
        assert!(!owns(&*agent, &recorded), "{recorded:?}");
    }
    let mut unborn = Agent::clone(&agent);
    unborn.metadata.uid = None;
    assert!(!owns(&unborn, &object("")), "an object without a uid owns nothing");
}

#[test]
fn nothing_is_decided_while_the_recorded_owner_cannot_be_decoded() {
    let agent = claimant("mine", EARLY);
    let is_undecodable = |uid: &str| uid == "newer-version" || uid == "mine";
    assert!(has_other_owner(&*agent, &object("newer-version"), is_undecodable));
    assert!(!has_other_owner(&*agent, &object("other"), is_undecodable));
    assert!(!has_other_owner(&*agent, &object("mine"), is_undecodable));
    assert!(!has_other_owner(&*agent, &NOBODY, is_undecodable));
    assert!(!has_other_owner(&*agent, &Observed::Unknown, is_undecodable));
}

#[test]
fn a_limit_keeps_those_that_the_relay_has_before_older_ones_that_it_does_not_have() {
    let (old, holder, young) =
        (claimant("old", EARLY), claimant("holder", "2026-02-01T00:00:00Z"), claimant("young", LATE));
    let recorded = |agent: &Agent| match agent.metadata.uid.as_deref() {
        Some("holder") => object("holder"),
        _ => NOBODY,
    };
    let count = |agent: &Arc<Agent>, others: &[&Arc<Agent>]| {
        let others: Vec<_> = others.iter().map(|other| Arc::clone(other)).collect();
        earlier(&**agent, &others, recorded)
    };
    assert_eq!(count(&holder, &[&old, &young]), Observed::Known(0));
    assert_eq!(count(&old, &[&holder, &young]), Observed::Known(1));
    assert_eq!(count(&young, &[&holder, &old]), Observed::Known(2));
    assert_eq!(count(&young, &[&terminating("going", EARLY)]), Observed::Known(0));
    assert_eq!(earlier(&*young, &[old], |_| Observed::Unknown), Observed::Unknown);
}
