//! Who gets a place, and what is said.

use super::*;
use crate::fleet::Progress;

const EARLY: &str = "2026-01-01T00:00:00Z";
const LATE: &str = "2026-06-01T00:00:00Z";

pub(crate) fn agent(spec: serde_json::Value) -> Agent {
    aged("team", "alice", EARLY, spec)
}

fn aged(namespace: &str, name: &str, created: &str, spec: serde_json::Value) -> Agent {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{namespace}-{name}"),
            "creationTimestamp": created, "generation": 3},
        "spec": spec,
    }))
    .unwrap()
}

pub(crate) fn place() -> Place {
    Place {
        did: "did:wba:agents.example.com:agent:acme:alice".parse().unwrap(),
        tenant_id: "acme".parse().unwrap(),
        handle: "alice".parse().unwrap(),
        relay: Name::new("platform", "main"),
        tenant_is_suspended: false,
        issuer: None,
        accounts: Vec::new(),
        gateway_url: None,
    }
}

fn tenant(spec: serde_json::Value, accepted: &str) -> Tenant {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Tenant",
        "metadata": {"name": "acme", "namespace": "team"},
        "spec": spec,
        "status": {"conditions": [{"type": "Accepted", "status": accepted, "reason": "Accepted", "message": "",
            "lastTransitionTime": EARLY}]},
    }))
    .unwrap()
}

fn acme() -> Tenant {
    tenant(serde_json::json!({"relayRef": {"name": "main", "namespace": "platform"}}), "True")
}

fn relay() -> Relay {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Relay",
        "metadata": {"name": "main", "namespace": "platform"}, "spec": {"domain": "agents.example.com"},
    }))
    .unwrap()
}

/// Decides about `agent` with everything in place; the closure changes what matters to the case.
fn decide(agent: &Agent, change: impl FnOnce(&mut Snapshot<'_>)) -> Result<Place, Reason> {
    decide_in(&acme(), agent, change)
}

fn decide_in(
    tenant: &Tenant,
    agent: &Agent,
    change: impl FnOnce(&mut Snapshot<'_>),
) -> Result<Place, Reason> {
    let (relay, name) = (relay(), index::tenant_of(agent));
    let mut snapshot = Snapshot {
        agent,
        tenant_name: &name,
        tenant: Some(tenant),
        relay: Some(&relay),
        is_permitted: true,
        rivals: Vec::new(),
        older_agents: 0,
        cluster_domain: "cluster.local",
    };
    change(&mut snapshot);
    super::place(&snapshot).map_err(|refusal| refusal.reason)
}

fn alice() -> Agent {
    agent(serde_json::json!({"tenantRef": {"name": "acme"}}))
}

#[test]
fn the_name_follows_from_domain_tenant_and_handle() {
    assert_eq!(decide(&alice(), |_| {}), Ok(place()));
    let named = agent(serde_json::json!({"tenantRef": {"name": "acme"}, "handle": "planner"}));
    assert_eq!(decide(&named, |_| {}).unwrap().did.as_str(), "did:wba:agents.example.com:agent:acme:planner");
}

#[test]
fn without_consent_there_is_no_place() {
    assert_eq!(decide(&alice(), |s| s.tenant = None), Err(Reason::TenantNotFound));
    let stranger = aged(
        "other",
        "alice",
        EARLY,
        serde_json::json!({"tenantRef": {"name": "acme", "namespace": "team"}}),
    );
    assert_eq!(decide(&stranger, |s| s.is_permitted = false), Err(Reason::RefNotPermitted));
    assert_eq!(
        decide(&stranger, |s| s.tenant = None),
        Err(Reason::RefNotPermitted),
        "absence looks like refusal"
    );
}

#[test]
fn a_tenant_without_a_place_gives_none() {
    let refused = tenant(serde_json::json!({"relayRef": {"name": "main"}}), "False");
    let (agent, relay, name) = (alice(), relay(), Name::new("team", "acme"));
    let snapshot = Snapshot {
        agent: &agent,
        tenant_name: &name,
        tenant: Some(&refused),
        relay: Some(&relay),
        is_permitted: true,
        rivals: Vec::new(),
        older_agents: 0,
        cluster_domain: "cluster.local",
    };
    assert_eq!(super::place(&snapshot).unwrap_err().reason, Reason::TenantNotAccepted);
    assert_eq!(decide(&alice(), |s| s.relay = None), Err(Reason::TenantNotAccepted));
}

#[test]
fn the_oldest_claim_of_a_handle_wins() {
    let claim = serde_json::json!({"tenantRef": {"name": "acme", "namespace": "team"}, "handle": "alice"});
    let (older, younger) =
        (aged("other", "x", "2025-01-01T00:00:00Z", claim.clone()), aged("other", "y", LATE, claim));
    assert_eq!(decide(&alice(), |s| s.rivals = vec![Arc::new(older)]), Err(Reason::HandleConflict));
    assert!(decide(&alice(), |s| s.rivals = vec![Arc::new(younger)]).is_ok());
}

#[test]
fn the_limit_of_a_tenant_keeps_the_oldest() {
    let limited = tenant(serde_json::json!({"relayRef": {"name": "main"}, "agents": {"max": 2}}), "True");
    let (agent, relay, name) = (alice(), relay(), Name::new("team", "acme"));
    let reason = |older_agents| {
        let snapshot = Snapshot {
            agent: &agent,
            tenant_name: &name,
            tenant: Some(&limited),
            relay: Some(&relay),
            is_permitted: true,
            rivals: Vec::new(),
            older_agents,
            cluster_domain: "cluster.local",
        };
        super::place(&snapshot).map(drop).map_err(|refusal| refusal.reason)
    };
    assert_eq!(reason(1), Ok(()));
    assert_eq!(reason(2), Err(Reason::TooManyAgents));
}

#[test]
fn a_root_key_that_is_none_is_refused() {
    let external = |key: &str| {
        agent(
            serde_json::json!({"tenantRef": {"name": "acme"}, "identity": {"external": {"rootKeyMultibase": key}}}),
        )
    };
    assert!(decide(&external("z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"), |_| {}).is_ok());
    let wrong = external("z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2do");
    assert_eq!(decide(&wrong, |_| {}), Err(Reason::InvalidSpec));
}

fn observed(states: &[KeyState], acknowledged: usize) -> Observed {
    let view = |(n, state): (usize, &KeyState)| KeyView {
        key_id: format!("k_00000000000{n}").parse().unwrap(),
        state: *state,
        not_after: (*state == KeyState::Retiring).then_some(1_790_000_000),
    };
    Observed {
        ring: RingView { keys: states.iter().enumerate().map(view).collect(), handled: None },
        programming: Programming::Progress(Progress { acknowledged, ready: 1 }),
        mcp_is_available: None,
        obstacle: None,
    }
}

fn said(agent: &Agent, place: &Place, observed: &Observed) -> (String, String) {
    let status = accepted(agent, place, observed, "cluster.local", jiff::Timestamp::UNIX_EPOCH);
    let ready = conditions::find(&status.conditions, Type::Ready).unwrap();
    assert_eq!(ready.observed_generation, Some(3));
    (ready.status.clone(), ready.reason.clone())
}

#[test]
fn ready_means_that_the_relay_enforces_it() {
    let said =
        |states: &[KeyState], acknowledged| said(&alice(), &place(), &observed(states, acknowledged)).1;
    assert_eq!(said(&[KeyState::Active], 1), "Ready");
    assert_eq!(said(&[KeyState::Active], 0), "NotProgrammed");
    assert_eq!(said(&[KeyState::Staged], 1), "CredentialsNotReady");
    assert_eq!(said(&[KeyState::Active, KeyState::Staged], 1), "Ready", "a rotation does not interrupt");
}

#[test]
fn an_mcp_endpoint_that_does_not_serve_is_not_ready() {
    let with_mcp = agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true}}));
    let seen = |available| Observed { mcp_is_available: Some(available), ..observed(&[KeyState::Active], 1) };
    assert_eq!(said(&with_mcp, &place(), &seen(false)).1, "McpNotReady");
    assert_eq!(said(&with_mcp, &place(), &seen(true)).1, "Ready");
    let status = accepted(&with_mcp, &place(), &seen(true), "cluster.local", jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(status.mcp_url.unwrap(), "https://alice-mcp.team.svc.cluster.local/mcp");
}

#[test]
fn suspension_by_the_agent_or_its_tenant_is_told_apart() {
    let suspended = agent(serde_json::json!({"tenantRef": {"name": "acme"}, "suspend": true}));
    let reason = |agent: &Agent, place: &Place| {
        let status = accepted(
            agent,
            place,
            &observed(&[KeyState::Active], 1),
            "cluster.local",
            jiff::Timestamp::UNIX_EPOCH,
        );
        let ready = conditions::find(&status.conditions, Type::Ready).unwrap().reason.clone();
        (ready, conditions::find(&status.conditions, Type::Suspended).unwrap().reason.clone())
    };
    assert_eq!(reason(&suspended, &place()), ("Suspended".into(), "SuspendedBySpec".into()));
    let by_tenant = Place { tenant_is_suspended: true, ..place() };
    assert_eq!(reason(&alice(), &by_tenant), ("Suspended".into(), "SuspendedByTenant".into()));
    assert!(content(&suspended, &place(), "z6Mk", vec![], "cluster.local").suspended);
}

#[test]
fn people_of_the_tenant_may_sign_in_for_the_agents_they_are_named_with() {
    let people = serde_json::json!({"relayRef": {"name": "main", "namespace": "platform"}, "people": [
        {"account": "ann@example.com", "agents": ["alice", "bob"]},
        {"account": "ben@example.com", "agents": ["bob"]},
    ]});
    let tenant = tenant(people, "True");
    let place = decide_in(&tenant, &alice(), |_| {}).unwrap();
    assert_eq!(place.accounts, ["ann@example.com"]);
    let with_mcp = agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true}}));
    let told = |agent: &Agent| content(agent, &place, "z6Mk", vec![], "cluster.local").mcp;
    let mcp = told(&with_mcp).unwrap();
    assert_eq!(
        (mcp.url.as_str(), mcp.accounts),
        ("https://alice-mcp.team.svc.cluster.local/mcp", place.accounts.clone())
    );
    assert_eq!(told(&alice()), None, "without an endpoint there is nothing to sign in for");
}

#[test]
fn a_public_url_is_the_audience_and_what_the_status_says() {
    let url = "https://alice.mcp.example.com/mcp";
    let agent =
        agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true, "publicURL": url}}));
    assert_eq!(content(&agent, &place(), "z6Mk", vec![], "cluster.local").mcp.unwrap().url, url);
    let seen = Observed { mcp_is_available: Some(true), ..observed(&[KeyState::Active], 1) };
    let status = accepted(&agent, &place(), &seen, "cluster.local", jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(status.mcp_url.as_deref(), Some(url));
}

#[test]
fn an_agent_of_a_relay_with_a_gateway_has_both_urls_and_the_relay_knows_where_its_endpoint_is() {
    let gateway = "https://mcp.example.com/mcp";
    let (tenant, name) = (acme(), Name::new("team", "acme"));
    let mut relay = relay();
    relay.spec.mcp.enabled = true;
    relay.spec.mcp.public_url = Some(gateway.into());
    let own = "https://alice.mcp.example.com/mcp";
    let agent =
        agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true, "publicURL": own}}));
    let snapshot = Snapshot {
        agent: &agent,
        tenant_name: &name,
        tenant: Some(&tenant),
        relay: Some(&relay),
        is_permitted: true,
        rivals: Vec::new(),
        older_agents: 0,
        cluster_domain: "cluster.local",
    };
    let place = super::place(&snapshot).unwrap();
    let told = content(&agent, &place, "z6Mk", vec![], "cluster.local").mcp.unwrap();
    let inside = "https://alice-mcp.team.svc.cluster.local/mcp";
    assert_eq!((told.url.as_str(), told.endpoint.as_deref()), (own, Some(inside)));
    let seen = Observed { mcp_is_available: Some(true), ..observed(&[KeyState::Active], 1) };
    let said = |agent: &Agent| accepted(agent, &place, &seen, "cluster.local", jiff::Timestamp::UNIX_EPOCH);
    let status = said(&agent);
    assert_eq!((status.mcp_url.as_deref(), status.mcp_gateway_url.as_deref()), (Some(own), Some(gateway)));
    assert_eq!(said(&alice()).mcp_gateway_url, None, "without an endpoint the gateway does not lead to it");
    let without = content(&agent, &self::place(), "z6Mk", vec![], "cluster.local").mcp.unwrap();
    assert_eq!(without.endpoint, None);
}

#[test]
fn a_suspension_that_the_relay_has_not_confirmed_says_so() {
    let suspended =
        agent(serde_json::json!({"tenantRef": {"name": "acme"}, "suspend": true, "mcp": {"enabled": true}}));
    let seen = |acknowledged| Observed {
        mcp_is_available: Some(false),
        ..observed(&[KeyState::Active], acknowledged)
    };
    assert_eq!(said(&suspended, &place(), &seen(0)).1, "NotProgrammed");
    assert_eq!(said(&suspended, &place(), &seen(1)).1, "Suspended");
}

#[test]
fn no_key_material_is_in_status_or_in_what_the_relay_is_told() {
    let key = protocol::api_key::ApiKey::generate(&mut rand::rng());
    let keys = vec![AgentKey { sha256: key.hash(), not_after: None }];
    let content = serde_json::to_string(&content(&alice(), &place(), "z6Mk", keys, "cluster.local")).unwrap();
    assert!(!content.contains(key.reveal()));
    let status = accepted(
        &alice(),
        &place(),
        &observed(&[KeyState::Active], 1),
        "cluster.local",
        jiff::Timestamp::UNIX_EPOCH,
    );
    assert!(!serde_json::to_string(&status).unwrap().contains("sk_"));
}

#[test]
fn the_same_observation_again_changes_nothing() {
    let mut agent = alice();
    let first = accepted(
        &agent,
        &place(),
        &observed(&[KeyState::Active, KeyState::Retiring], 1),
        "cluster.local",
        jiff::Timestamp::UNIX_EPOCH,
    );
    agent.status = Some(first.clone());
    let later = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    let second = accepted(
        &agent,
        &place(),
        &observed(&[KeyState::Active, KeyState::Retiring], 1),
        "cluster.local",
        later,
    );
    assert_eq!(second, first);
}
