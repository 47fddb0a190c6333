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
    let mut snapshot = AgentSnapshot {
        agent,
        tenant_name: &name,
        tenant: Some(tenant),
        relay: Some(&relay),
        is_permitted: true,
        other_claimants: Vec::new(),
        older_agents: 0,
        cluster_domain: "cluster.local",
    };
    change(&mut snapshot);
    resolve(&snapshot).map_err(|refusal| refusal.reason)
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
    let refused = tenant(serde_json::json!({"relayRef": {"name": "main"}}), "False");
    assert_eq!(resolve_in(&refused, &alice(), |_| {}), Err(Reason::TenantNotAccepted));
    assert_eq!(resolve_with(&alice(), |s| s.relay = None), Err(Reason::TenantNotAccepted));
}

#[test]
fn the_oldest_claim_of_a_handle_wins() {
    let claim = serde_json::json!({"tenantRef": {"name": "acme", "namespace": "team"}, "handle": "alice"});
    let (older, younger) =
        (aged("other", "x", "2025-01-01T00:00:00Z", claim.clone()), aged("other", "y", LATE, claim));
    let with = |other: Agent| resolve_with(&alice(), |s| s.other_claimants = vec![Arc::new(other)]);
    assert_eq!(with(older), Err(Reason::HandleConflict));
    assert!(with(younger).is_ok());
}

#[test]
fn the_limit_of_a_tenant_keeps_the_oldest() {
    let limited = tenant(serde_json::json!({"relayRef": {"name": "main"}, "agents": {"max": 2}}), "True");
    let with = |older| resolve_in(&limited, &alice(), |s| s.older_agents = older).map(drop);
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
