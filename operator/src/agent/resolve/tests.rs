//! Tests of which Agents are accepted.

use super::*;
use crate::agent::fixtures::{EARLY, LATE, acme, aged, agent, alice, relay, resolved, tenant};

/// Resolves `agent` with everything in place. The closure changes what matters to the case.
fn resolve_with(agent: &Agent, change: impl FnOnce(&mut AgentSnapshot<'_>)) -> Result<ResolvedAgent, Reason> {
    resolve_in(&acme(), agent, change)
}

fn resolve_in(
    tenant: &Tenant,
    agent: &Agent,
    change: impl FnOnce(&mut AgentSnapshot<'_>),
) -> Result<ResolvedAgent, Reason> {
    let (relay, name) = (relay(), index::tenant_of(agent));
    let mut snapshot = snapshot(agent, tenant, &relay, &name);
    change(&mut snapshot);
    resolve(&snapshot).map(|resolved| resolved.known().unwrap()).map_err(|refusal| refusal.reason)
}

/// A Tenant that accepts two Agents.
fn limited() -> Tenant {
    tenant(serde_json::json!({"relayRef": {"name": "main"}, "agents": {"max": 2}}), "True")
}

fn snapshot<'a>(
    agent: &'a Agent,
    tenant: &'a Tenant,
    relay: &'a Relay,
    tenant_name: &'a NamespacedName,
) -> AgentSnapshot<'a> {
    AgentSnapshot {
        agent,
        tenant_name,
        tenant: Some(tenant),
        relay: Some(relay),
        is_permitted: true,
        tenant_is_accepted: Observed::Known(true),
        other_claimants: Vec::new(),
        recorded: Observed::Known(None),
        earlier_agents: Observed::Known(0),
        cluster_domain: "cluster.local",
    }
}

#[test]
fn the_did_follows_from_domain_tenant_and_handle() {
    assert_eq!(resolve_with(&alice(), |_| {}), Ok(resolved()));
    let named = agent(serde_json::json!({"tenantRef": {"name": "acme"}, "handle": "planner"}));
    let did = resolve_with(&named, |_| {}).unwrap().did;
    assert_eq!(did.as_str(), "did:wba:agents.example.com:agent:acme:planner");
}

#[test]
fn without_consent_an_agent_is_refused() {
    assert_eq!(resolve_with(&alice(), |s| s.tenant = None), Err(Reason::TenantNotFound));
    let stranger = aged(
        "other",
        "alice",
        EARLY,
        serde_json::json!({"tenantRef": {"name": "acme", "namespace": "team"}}),
    );
    assert_eq!(resolve_with(&stranger, |s| s.is_permitted = false), Err(Reason::RefNotPermitted));
    assert_eq!(
        resolve_with(&stranger, |s| s.tenant = None),
        Err(Reason::RefNotPermitted),
        "absence looks like refusal"
    );
}

#[test]
fn agents_of_a_refused_tenant_are_refused() {
    let refused = |s: &mut AgentSnapshot<'_>| s.tenant_is_accepted = Observed::Known(false);
    assert_eq!(resolve_with(&alice(), refused), Err(Reason::TenantNotAccepted));
    assert_eq!(resolve_with(&alice(), |s| s.relay = None), Err(Reason::TenantNotAccepted));
}

#[test]
fn a_tenant_that_is_being_deleted_admits_nobody() {
    let mut going = acme();
    going.metadata.deletion_timestamp =
        going.metadata.creation_timestamp.clone().or_else(|| alice().metadata.creation_timestamp);
    assert_eq!(resolve_in(&going, &alice(), |_| {}), Err(Reason::TenantNotFound));
}

#[test]
fn a_reference_may_move_as_long_as_the_did_stays() {
    let with = |did: &str| {
        let mut alice = alice();
        alice.status = Some(crds::AgentStatus { did: Some(did.into()), ..Default::default() });
        resolve_with(&alice, |_| {}).map(drop)
    };
    assert_eq!(with(resolved().did.as_str()), Ok(()));
    assert_eq!(with("did:wba:agents.example.com:agent:other:alice"), Err(Reason::DidChanged));
}

#[test]
fn an_agent_waits_for_what_the_relay_has_not_said_yet() {
    let undecided = |change: fn(&mut AgentSnapshot<'_>)| {
        let (agent, tenant, relay) = (alice(), limited(), relay());
        let name = index::tenant_of(&agent);
        let mut snapshot = snapshot(&agent, &tenant, &relay, &name);
        change(&mut snapshot);
        resolve(&snapshot).unwrap().is_unknown()
    };
    assert!(!undecided(|_| {}));
    assert!(undecided(|s| s.tenant_is_accepted = Observed::Unknown));
    assert!(undecided(|s| s.earlier_agents = Observed::Unknown));
    assert!(!undecided(|s| s.recorded = Observed::Unknown), "it is the only claimant");
    assert!(undecided(|s| {
        s.recorded = Observed::Unknown;
        s.other_claimants = vec![Arc::new(alice())];
    }));
}

#[test]
fn the_oldest_claim_of_a_handle_wins_unless_the_relay_records_another() {
    let claim = serde_json::json!({"tenantRef": {"name": "acme", "namespace": "team"}, "handle": "alice"});
    let (older, younger) =
        (aged("other", "x", "2025-01-01T00:00:00Z", claim.clone()), aged("other", "y", LATE, claim));
    let with = |other: Agent| resolve_with(&alice(), |s| s.other_claimants = vec![Arc::new(other)]);
    assert_eq!(with(older), Err(Reason::HandleConflict));
    assert!(with(younger.clone()).is_ok());
    let recorded = Observed::Known(Some(Owner::Kubernetes("uid-other-y".into())));
    let holder = resolve_with(&alice(), |s| {
        s.other_claimants = vec![Arc::new(younger)];
        s.recorded = recorded;
    });
    assert_eq!(holder, Err(Reason::HandleConflict));
}

#[test]
fn the_limit_of_a_tenant_keeps_the_first() {
    let with =
        |count| resolve_in(&limited(), &alice(), |s| s.earlier_agents = Observed::Known(count)).map(drop);
    assert_eq!(with(1), Ok(()));
    assert_eq!(with(2), Err(Reason::TooManyAgents));
}

#[test]
fn a_malformed_root_key_is_refused() {
    let external = |key: &str| {
        agent(
            serde_json::json!({"tenantRef": {"name": "acme"}, "identity": {"external": {"rootKeyMultibase": key}}}),
        )
    };
    assert!(resolve_with(&external("z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"), |_| {}).is_ok());
    let wrong = external("z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2do");
    assert_eq!(resolve_with(&wrong, |_| {}), Err(Reason::InvalidSpec));
}
