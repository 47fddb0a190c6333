//! Tests of what a sweep removes, keeps and wakes.

use super::*;

const ACME: &str = "/admin/v1/tenants/acme";

fn agent_path(name: &str) -> String {
    format!("{ACME}/agents/{name}")
}

fn owner(uid: &str) -> Option<Owner> {
    Some(Owner::Kubernetes(uid.into()))
}

fn claim(kind: Kind, name: &str, uid: &str, is_permitted: bool) -> EntryClaim {
    let tenant = (kind == Kind::Agent).then(|| (ACME.to_owned(), "acme-uid".to_owned()));
    let object = NamespacedName::new("team", name).key(kind);
    EntryClaim { object, uid: uid.into(), tenant, is_permitted }
}

/// A tenant with the agent alice, both as their objects say.
fn converged() -> SweepSnapshot {
    let alice = agent_path("alice");
    let owners = [(ACME.to_owned(), owner("acme-uid")), (alice.clone(), owner("alice-uid"))];
    let claims = [
        (ACME.to_owned(), vec![claim(Kind::Tenant, "acme", "acme-uid", true)]),
        (alice, vec![claim(Kind::Agent, "alice", "alice-uid", true)]),
    ];
    SweepSnapshot {
        listing: Listing { owners: owners.into(), ..Listing::default() },
        claims: claims.into(),
        ..SweepSnapshot::default()
    }
}

fn removals(snapshot: &SweepSnapshot) -> Vec<String> {
    snapshot.plan().removals.into_iter().map(|(path, _)| path).collect()
}

#[test]
fn a_relay_that_holds_what_the_objects_claim_is_left_alone() {
    assert_eq!(converged().plan(), SweepPlan::default());
}

#[test]
fn an_agent_whose_object_is_gone_is_removed_for_its_recorded_owner() {
    let mut snapshot = converged();
    snapshot.claims.remove(&agent_path("alice"));
    let plan = snapshot.plan();
    assert_eq!(plan.removals, [(agent_path("alice"), "alice-uid".to_owned())]);
    assert_eq!((plan.unclaimed, plan.is_blocked), (1, false));
}

#[test]
fn what_a_person_or_an_agent_itself_made_is_never_removed() {
    for made in [None, Some(Owner::CommandLine), Some(Owner::Registration)] {
        let mut snapshot = converged();
        snapshot.claims.clear();
        snapshot.listing.owners.values_mut().for_each(|owner| owner.clone_from(&made));
        assert_eq!(snapshot.plan(), SweepPlan::default());
    }
}

#[test]
fn a_refused_owner_keeps_its_entry() {
    let mut snapshot = converged();
    snapshot.claims.get_mut(&agent_path("alice")).unwrap()[0].is_permitted = false;
    assert!(removals(&snapshot).is_empty());
}

#[test]
fn a_refused_object_does_not_keep_the_entry_of_a_deleted_one() {
    let mut snapshot = converged();
    let forged = claim(Kind::Agent, "forged", "forged-uid", false);
    snapshot.claims.insert(agent_path("alice"), vec![forged]);
    assert_eq!(removals(&snapshot), [agent_path("alice")]);
}

#[test]
fn a_permitted_object_succeeds_a_deleted_one_and_is_reconciled() {
    let mut snapshot = converged();
    let again = claim(Kind::Agent, "alice", "new-uid", true);
    snapshot.claims.insert(agent_path("alice"), vec![again.clone()]);
    let plan = snapshot.plan();
    assert_eq!((plan.removals.len(), plan.different), (0, [again.object].into()));
    let expected = (agent_path("alice"), "alice-uid".to_owned());
    assert_eq!(plan.successions, [expected].into(), "if it does not take over, the keys are revoked");
}

#[test]
fn an_agent_of_a_tenant_that_lost_the_id_succeeds_nobody() {
    let mut snapshot = converged();
    let mut other = claim(Kind::Agent, "other", "other-uid", true);
    other.tenant = Some((ACME.to_owned(), "rival-uid".to_owned()));
    snapshot.claims.insert(agent_path("alice"), vec![other]);
    snapshot.claims.get_mut(ACME).unwrap().push(claim(Kind::Tenant, "rival", "rival-uid", true));
    assert_eq!(removals(&snapshot), [agent_path("alice")]);
    snapshot.claims.get_mut(ACME).unwrap().remove(0);
    assert!(removals(&snapshot).is_empty(), "the rival succeeds the tenant that is gone");
}

#[test]
fn an_object_whose_path_is_not_known_keeps_its_entry() {
    let mut snapshot = converged();
    snapshot.claims.remove(&agent_path("alice"));
    snapshot.unresolved.insert("alice-uid".into());
    assert!(removals(&snapshot).is_empty());
}

#[test]
fn an_agent_whose_tenant_is_gone_keeps_its_mailbox_and_loses_its_keys() {
    let mut snapshot = converged();
    snapshot.claims.remove(&agent_path("alice"));
    let objects = ["alice", "carol"].map(|name| NamespacedName::new("team", name).key(Kind::Agent));
    let uids = ["alice-uid", "carol-uid"].map(str::to_owned);
    snapshot.without_tenant = std::iter::zip(uids, objects.clone()).collect();
    let plan = snapshot.plan();
    let [alice, _] = objects;
    assert_eq!(plan.without_tenant, [alice].into(), "the relay holds nothing of carol");
    let expected = (agent_path("alice"), "alice-uid".to_owned());
    assert_eq!((plan.removals, plan.successions), (Vec::new(), [expected].into()));
}

#[test]
fn an_agent_that_moved_is_removed_from_its_former_place() {
    let mut snapshot = converged();
    let claims = snapshot.claims.remove(&agent_path("alice")).unwrap();
    snapshot.claims.insert("/admin/v1/tenants/other/agents/alice".into(), claims);
    assert_eq!(removals(&snapshot), [agent_path("alice")]);
}

#[test]
fn a_tenant_is_removed_once_with_its_agents() {
    let mut snapshot = converged();
    snapshot.claims.clear();
    let plan = snapshot.plan();
    assert_eq!(plan.removals, [(ACME.to_owned(), "acme-uid".to_owned())]);
    assert_eq!(plan.unclaimed, 2, "the number counts both");
}

/// A relay with `held` agents, of which `unclaimed` have no object.
fn crowd(held: usize, unclaimed: usize, confirmed: Option<usize>) -> SweepSnapshot {
    let mut snapshot = SweepSnapshot { confirmed, ..SweepSnapshot::default() };
    for number in 0..held {
        let (path, uid) = (agent_path(&format!("agent-{number}")), format!("uid-{number}"));
        snapshot.listing.owners.insert(path.clone(), owner(&uid));
        if number >= unclaimed {
            snapshot.claims.insert(path, vec![claim(Kind::Agent, &uid, &uid, true)]);
        }
    }
    snapshot
}

#[test]
fn more_than_fifty_removals_of_more_than_half_wait_for_a_person() {
    for (held, unclaimed, is_blocked) in
        [(60, 50, false), (102, 51, false), (101, 51, true), (51, 51, true), (10_000, 5_000, false)]
    {
        let plan = crowd(held, unclaimed, None).plan();
        assert_eq!(plan.is_blocked, is_blocked, "{unclaimed} of {held}");
        assert_eq!(plan.removals.is_empty(), is_blocked, "{unclaimed} of {held}");
        assert_eq!(plan.unclaimed, unclaimed);
    }
}

#[test]
fn a_confirmed_number_lifts_the_guard_and_a_smaller_one_does_not() {
    for (confirmed, removed) in [(Some(51), 51), (Some(60), 51), (Some(50), 0), (None, 0)] {
        assert_eq!(crowd(60, 51, confirmed).plan().removals.len(), removed, "{confirmed:?}");
    }
}

/// An annotation that stays would confirm every later loss of as many entries.
#[test]
fn only_the_number_that_the_relay_reports_as_held_back_is_confirmed() {
    let confirmed = |annotation: &str, unclaimed: Option<i32>| {
        let mut relay = crate::relay::build::tests::relay(serde_json::json!({"domain": "a.example"}));
        relay.metadata.annotations =
            Some([(label::CONFIRM_REMOVAL.to_owned(), annotation.to_owned())].into());
        relay.status = Some(crds::RelayStatus { unclaimed, ..crds::RelayStatus::default() });
        confirmed_removals(&relay)
    };
    assert_eq!(confirmed("51", Some(51)), Some(51));
    assert_eq!(confirmed("5000", Some(51)), None, "it is the answer to an earlier question");
    assert_eq!(confirmed("50", Some(51)), None);
    assert_eq!(confirmed("51", Some(0)), None, "it is done");
    assert_eq!(confirmed("51", None), None, "nobody asked");
    assert_eq!((confirmed("", Some(0)), confirmed("all", Some(51))), (None, None));
}

#[test]
fn objects_whose_entries_differ_are_reconciled() {
    let mut snapshot = converged();
    snapshot.listing.different.insert(agent_path("alice"));
    let alice = NamespacedName::new("team", "alice").key(Kind::Agent);
    assert_eq!(snapshot.plan().different, [alice.clone()].into());
    let acme = NamespacedName::new("team", "acme").key(Kind::Tenant);
    assert_eq!(snapshot.objects(), [acme, alice], "tenants come first");
}

fn object<K: serde::de::DeserializeOwned>(kind: &str, deleted: Option<&str>) -> K {
    let spec = serde_json::json!({"relayRef": {"name": "main"}, "tenantRef": {"name": "acme"}});
    serde_json::from_value(serde_json::json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": kind, "spec": spec,
        "metadata": {"name": "acme", "namespace": "team", "uid": "u", "deletionTimestamp": deleted},
    }))
    .unwrap()
}

#[test]
fn what_is_being_deleted_succeeds_nobody_and_an_agent_of_it_claims_nothing() {
    let gone = Some("2026-01-01T00:00:00Z");
    let tenant = |deleted| -> Tenant { object("Tenant", deleted) };
    let agent = |deleted| -> Agent { object("Agent", deleted) };
    let succeeds = |found: Option<EntryClaim>| found.map(|claim| claim.is_permitted);
    assert!(EntryClaim::of_tenant(&tenant(None), true).is_permitted);
    assert!(!EntryClaim::of_tenant(&tenant(gone), true).is_permitted);
    assert_eq!(succeeds(EntryClaim::of_agent(&agent(None), &tenant(None), ACME, true)), Some(true));
    assert_eq!(succeeds(EntryClaim::of_agent(&agent(None), &tenant(None), ACME, false)), Some(false));
    assert_eq!(succeeds(EntryClaim::of_agent(&agent(None), &tenant(gone), ACME, true)), Some(false));
    assert_eq!(EntryClaim::of_agent(&agent(gone), &tenant(None), ACME, true), None);
}
