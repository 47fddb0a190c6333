//! Tests of what a change of an object means.

use serde_json::json;

use super::super::dependencies::Dependents;
use super::*;
use crate::object_key::Kind;

/// An Agent at a generation, with changes of its metadata and its spec.
fn agent(generation: i64, metadata: Value, spec: Value) -> Agent {
    object("Agent", generation, metadata, json!({"tenantRef": {"name": "acme"}}), spec)
}

fn tenant(generation: i64, metadata: Value, spec: Value) -> Tenant {
    object("Tenant", generation, metadata, json!({"relayRef": {"name": "main"}}), spec)
}

fn object<K: serde::de::DeserializeOwned>(
    kind: &str,
    generation: i64,
    metadata: Value,
    base: Value,
    spec: Value,
) -> K {
    let mut all_metadata = json!({"name": "a", "namespace": "team", "uid": "1", "generation": generation});
    all_metadata.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
    let mut all_spec = base;
    all_spec.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": kind, "metadata": all_metadata, "spec": all_spec,
    }))
    .unwrap()
}

fn accepted(mut tenant: Tenant) -> Tenant {
    let condition = json!({"type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    tenant.status = Some(serde_json::from_value(json!({"conditions": [condition]})).unwrap());
    tenant
}

fn dependents<K: ReconciledKind>(former: Option<&K>, object: Option<&K>) -> Vec<Dependents> {
    changed_edges(former, object).iter().flat_map(|edge| edge.dependents).copied().collect()
}

#[test]
fn our_own_writes_of_status_and_finalizers_wake_nobody() {
    let before = tenant(1, json!({"resourceVersion": "1"}), json!({}));
    let with_finalizer = json!({"resourceVersion": "2", "finalizers": [label::TEARDOWN]});
    let after = tenant(1, with_finalizer, json!({}));
    assert!(!concerns_itself(Some(&before), &after));
    assert_eq!(dependents(Some(&before), Some(&after)), []);
    assert!(concerns_itself(Some(&after), &before), "somebody removed the finalizer");
    assert!(!concerns_itself(Some(&before), &accepted(before.clone())));
}

#[test]
fn a_finalizer_that_agents_no_longer_have_is_removed_when_it_appears() {
    let before = agent(1, json!({}), json!({}));
    let forged = agent(1, json!({"finalizers": [label::REVOCATION]}), json!({}));
    assert!(concerns_itself(Some(&before), &forged));
    assert!(!concerns_itself(Some(&forged), &before), "the operator removed it");
}

#[test]
fn annotations_of_others_do_not_concern_the_operator() {
    let before = agent(1, json!({}), json!({}));
    let foreign = agent(1, json!({"annotations": {"example.com/note": "x"}}), json!({}));
    let paused = agent(1, json!({"annotations": {label::PAUSED: "true"}}), json!({}));
    assert!(!concerns_itself(Some(&before), &foreign));
    assert!(concerns_itself(Some(&before), &paused) && concerns_itself(Some(&paused), &before));
}

#[test]
fn acceptance_wakes_those_who_depend_on_it() {
    let before = tenant(1, json!({}), json!({}));
    let woken = dependents(Some(&before), Some(&accepted(before.clone())));
    assert_eq!(woken, [Dependents::OtherClaimants, Dependents::Agents, Dependents::Referent]);
}

#[test]
fn the_relay_counts_the_agents_of_its_tenants() {
    let before = accepted(tenant(1, json!({}), json!({})));
    let mut after = before.clone();
    after.status.as_mut().unwrap().agents = 3;
    assert_eq!(dependents(Some(&before), Some(&after)), [Dependents::Referent]);
}

#[test]
fn a_display_name_wakes_no_agent_and_a_limit_does() {
    let before = tenant(1, json!({}), json!({}));
    assert_eq!(dependents(Some(&before), Some(&tenant(2, json!({}), json!({"displayName": "Acme"})))), []);
    let limited = tenant(2, json!({}), json!({"agents": {"max": 3}}));
    assert_eq!(dependents(Some(&before), Some(&limited)), [Dependents::Agents]);
}

#[test]
fn a_deleted_agent_leaves_its_place_to_one_that_the_limit_refused() {
    let gone = agent(1, json!({}), json!({}));
    assert!(dependents(Some(&gone), None).contains(&Dependents::RefusedAgents));
    assert!(!dependents(None, Some(&gone)).contains(&Dependents::RefusedAgents));
}

#[test]
fn what_takes_access_away_is_urgent() {
    let before = agent(1, json!({}), json!({}));
    let urgent = [
        agent(2, json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}), json!({})),
        agent(2, json!({}), json!({"suspend": true})),
        agent(2, json!({}), json!({"tenantRef": {"name": "other"}})),
        agent(
            2,
            json!({}),
            json!({"credentials": {"rotation": {"overlap": "0s", "requestedRotation": "1"}}}),
        ),
        agent(2, json!({}), json!({"identity": {"external": {"rootKeyMultibase": "z6Mk"}}})),
    ];
    for after in &urgent {
        assert_eq!(priority(Some(&before), after), Priority::Urgent, "{after:?}");
        assert_eq!(priority(Some(after), after), Priority::Normal, "nothing changed: {after:?}");
    }
    let normal = [
        agent(2, json!({}), json!({"displayName": "Alice"})),
        agent(
            2,
            json!({}),
            json!({"credentials": {"rotation": {"overlap": "1h", "requestedRotation": "1"}}}),
        ),
    ];
    for after in &normal {
        assert_eq!(priority(Some(&before), after), Priority::Normal, "{after:?}");
    }
    let resumed = agent(3, json!({}), json!({}));
    assert_eq!(priority(Some(&urgent[1]), &resumed), Priority::Normal);
}

#[test]
fn after_a_restart_only_a_suspension_that_nobody_handled_is_urgent() {
    let mut suspended = agent(2, json!({}), json!({"suspend": true}));
    assert_eq!(priority(None, &suspended), Priority::Urgent);
    suspended.status = Some(serde_json::from_value(json!({"observedGeneration": 2})).unwrap());
    assert_eq!(priority(None, &suspended), Priority::Normal);
    assert_eq!(priority(None, &agent(1, json!({}), json!({}))), Priority::Normal);
}

#[test]
fn a_withdrawn_invitation_and_a_suspended_tenant_are_urgent() {
    let invitation = json!({"invitations": [{"name": "claude", "agent": "a", "validFor": "24h"}]});
    let before = tenant(1, json!({}), invitation);
    assert_eq!(priority(Some(&before), &tenant(2, json!({}), json!({}))), Priority::Urgent);
    let without = tenant(1, json!({}), json!({}));
    assert_eq!(priority(Some(&without), &before), Priority::Normal);
    assert_eq!(priority(Some(&without), &tenant(2, json!({}), json!({"suspend": true}))), Priority::Urgent);
}

#[test]
fn another_object_of_the_same_name_changes_everything() {
    let (before, after) = (tenant(1, json!({}), json!({})), tenant(1, json!({"uid": "2"}), json!({})));
    assert!(concerns_itself(Some(&before), &after));
    let fields: Vec<_> = changed_edges(Some(&before), Some(&after)).iter().map(|edge| edge.field).collect();
    assert!(fields.contains(&Field::Created) && fields.contains(&Field::Deleted));
    assert!(changed_edges(Some(&before), Some(&after)).iter().all(|edge| edge.kind == Kind::Tenant));
}

#[test]
fn who_depends_on_an_object_looks_again_when_its_pause_ends() {
    let paused = json!({"annotations": {label::PAUSED: "true"}});
    let (tenant_paused, tenant_resumed) =
        (tenant(1, paused.clone(), json!({})), tenant(1, json!({}), json!({})));
    let (agent_paused, agent_resumed) = (agent(1, paused, json!({})), agent(1, json!({}), json!({})));
    assert_eq!(
        dependents(Some(&tenant_paused), Some(&tenant_resumed)),
        [Dependents::OtherClaimants, Dependents::Agents]
    );
    assert_eq!(dependents(Some(&agent_paused), Some(&agent_resumed)), [Dependents::OtherClaimants]);
    assert_eq!(dependents(Some(&tenant_resumed), Some(&tenant_paused)), [], "nothing is decided anew");
}
