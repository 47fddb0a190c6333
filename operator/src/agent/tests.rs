//! Tests across the agent modules: what is sent to the relay, and what the status reports.

use crds::agent::KeyState;
use crds::condition::Type;
use crds::{Agent, Relay, Tenant};
use protocol::admin::AgentKey;

use super::admin_spec::admin_spec;
use super::agent_status::{self, AgentObservation, KeyRingSummary, KeySummary, SecretObstacle};
use super::fixtures::{self, acme, agent, alice, relay, resolved, tenant};
use super::resolve::{AgentSnapshot, ResolvedAgent, resolve};
use crate::conditions;
use crate::index;
use crate::observed::Observed;
use crate::programming::Programming;
use crate::relay_replicas::Progress;

fn resolve_agent(agent: &Agent, tenant: &Tenant, relay: &Relay) -> ResolvedAgent {
    resolve(&AgentSnapshot {
        agent,
        tenant_name: &index::tenant_of(agent),
        tenant: Some(tenant),
        relay: Some(relay),
        is_permitted: true,
        tenant_is_accepted: Observed::Known(true),
        other_claimants: Vec::new(),
        recorded: Observed::Known(None),
        earlier_agents: Observed::Known(0),
        cluster_domain: "cluster.local",
    })
    .unwrap()
    .known()
    .unwrap()
}

fn observed(states: &[KeyState], acknowledged: usize) -> AgentObservation {
    let summary = |(n, state): (usize, &KeyState)| KeySummary {
        key_id: format!("k_00000000000{n}").parse().unwrap(),
        state: *state,
        not_after: (*state == KeyState::Retiring).then_some(1_790_000_000),
    };
    AgentObservation {
        keys: KeyRingSummary { keys: states.iter().enumerate().map(summary).collect(), handled: None },
        programming: Programming::Progress(Progress { acknowledged, ready: 1 }),
        root_key: Some("z6Mk".into()),
        identity_is_lost: false,
        ca_fingerprint: None,
        refused_endpoint: None,
        mcp_is_available: None,
        obstacle: None,
        awaited_turn: None,
    }
}

/// Status and reason of `Ready`.
fn ready_condition(agent: &Agent, resolved: &ResolvedAgent, observed: &AgentObservation) -> (String, String) {
    let status =
        agent_status::accepted(agent, resolved, observed, "cluster.local", jiff::Timestamp::UNIX_EPOCH);
    let ready = conditions::find(&status.conditions, Type::Ready).unwrap();
    assert_eq!(ready.observed_generation, Some(3));
    (ready.status.clone(), ready.reason.clone())
}

#[test]
fn ready_means_that_the_relay_enforces_it() {
    let ready_condition = |states: &[KeyState], acknowledged| {
        ready_condition(&alice(), &resolved(), &observed(states, acknowledged)).1
    };
    assert_eq!(ready_condition(&[KeyState::Active], 1), "Ready");
    assert_eq!(ready_condition(&[KeyState::Active], 0), "NotProgrammed");
    assert_eq!(ready_condition(&[KeyState::Staged], 1), "CredentialsNotReady");
    assert_eq!(
        ready_condition(&[KeyState::Active, KeyState::Staged], 1),
        "Ready",
        "a rotation does not interrupt"
    );
}

#[test]
fn an_mcp_endpoint_that_does_not_serve_is_not_ready() {
    let with_mcp = agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true}}));
    let observation = |available| AgentObservation {
        mcp_is_available: Some(available),
        ..observed(&[KeyState::Active], 1)
    };
    assert_eq!(ready_condition(&with_mcp, &resolved(), &observation(false)).1, "McpNotReady");
    assert_eq!(ready_condition(&with_mcp, &resolved(), &observation(true)).1, "Ready");
    let status = agent_status::accepted(
        &with_mcp,
        &resolved(),
        &observation(true),
        "cluster.local",
        jiff::Timestamp::UNIX_EPOCH,
    );
    assert_eq!(status.mcp_url.unwrap(), "https://alice-mcp.team.svc.cluster.local/mcp");
}

#[test]
fn suspension_by_the_agent_or_its_tenant_has_different_reasons() {
    let suspended = agent(serde_json::json!({"tenantRef": {"name": "acme"}, "suspend": true}));
    let reason = |agent: &Agent, resolved: &ResolvedAgent| {
        let status = agent_status::accepted(
            agent,
            resolved,
            &observed(&[KeyState::Active], 1),
            "cluster.local",
            jiff::Timestamp::UNIX_EPOCH,
        );
        let ready = conditions::find(&status.conditions, Type::Ready).unwrap().reason.clone();
        (ready, conditions::find(&status.conditions, Type::Suspended).unwrap().reason.clone())
    };
    assert_eq!(reason(&suspended, &resolved()), ("Suspended".into(), "SuspendedBySpec".into()));
    let by_tenant = ResolvedAgent { tenant_is_suspended: true, ..resolved() };
    assert_eq!(reason(&alice(), &by_tenant), ("Suspended".into(), "SuspendedByTenant".into()));
    assert!(admin_spec(&suspended, &resolved(), "z6Mk", vec![], "cluster.local").suspended);
}

#[test]
fn people_of_the_tenant_may_sign_in_for_the_agents_they_are_named_with() {
    let people = serde_json::json!({"relayRef": {"name": "main", "namespace": "platform"}, "people": [
        {"account": "ann@example.com", "agents": ["alice", "bob"]},
        {"account": "ben@example.com", "agents": ["bob"]},
    ]});
    let tenant = tenant(people, "True");
    let resolved = resolve_agent(&alice(), &tenant, &relay());
    assert_eq!(resolved.accounts, ["ann@example.com"]);
    let with_mcp = agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true}}));
    let sent = |agent: &Agent| admin_spec(agent, &resolved, "z6Mk", vec![], "cluster.local").mcp;
    let mcp = sent(&with_mcp).unwrap();
    assert_eq!(
        (mcp.url.as_str(), mcp.accounts),
        ("https://alice-mcp.team.svc.cluster.local/mcp", resolved.accounts.clone())
    );
    assert_eq!(sent(&alice()), None, "without an endpoint there is nothing to sign in for");
}

#[test]
fn a_public_url_is_the_audience_and_in_the_status() {
    let url = "https://alice.mcp.example.com/mcp";
    let agent =
        agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true, "publicURL": url}}));
    assert_eq!(admin_spec(&agent, &resolved(), "z6Mk", vec![], "cluster.local").mcp.unwrap().url, url);
    let observation = AgentObservation { mcp_is_available: Some(true), ..observed(&[KeyState::Active], 1) };
    let status = agent_status::accepted(
        &agent,
        &resolved(),
        &observation,
        "cluster.local",
        jiff::Timestamp::UNIX_EPOCH,
    );
    assert_eq!(status.mcp_url.as_deref(), Some(url));
}

#[test]
fn an_agent_of_a_relay_with_a_gateway_has_both_urls_and_the_relay_gets_its_endpoint() {
    let gateway = "https://mcp.example.com/mcp";
    let (tenant, mut relay) = (acme(), relay());
    relay.spec.gateway.enabled = true;
    relay.spec.gateway.public_url = Some(gateway.into());
    relay.spec.public_hosts =
        serde_json::from_value(serde_json::json!([{"host": "{agent}.mcp.example.com", "tenant": "acme"}]))
            .unwrap();
    let own = "https://alice.mcp.example.com/mcp";
    let agent =
        agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true, "publicURL": own}}));
    let resolved = resolve_agent(&agent, &tenant, &relay);
    let sent = admin_spec(&agent, &resolved, "z6Mk", vec![], "cluster.local").mcp.unwrap();
    let inside = "https://alice-mcp.team.svc.cluster.local/mcp";
    assert_eq!((sent.url.as_str(), sent.endpoint.as_deref()), (own, Some(inside)));
    let observation = AgentObservation { mcp_is_available: Some(true), ..observed(&[KeyState::Active], 1) };
    let status_of = |agent: &Agent| {
        agent_status::accepted(agent, &resolved, &observation, "cluster.local", jiff::Timestamp::UNIX_EPOCH)
    };
    let status = status_of(&agent);
    assert_eq!((status.mcp_url.as_deref(), status.mcp_gateway_url.as_deref()), (Some(own), Some(gateway)));
    assert_eq!(
        status_of(&alice()).mcp_gateway_url,
        None,
        "without an endpoint there is nothing to forward to"
    );
    let without = admin_spec(&agent, &fixtures::resolved(), "z6Mk", vec![], "cluster.local").mcp.unwrap();
    assert_eq!(without.endpoint, None);
}

#[test]
fn a_suspension_that_the_relay_has_not_confirmed_is_not_programmed() {
    let suspended =
        agent(serde_json::json!({"tenantRef": {"name": "acme"}, "suspend": true, "mcp": {"enabled": true}}));
    let observation = |acknowledged| AgentObservation {
        mcp_is_available: Some(false),
        ..observed(&[KeyState::Active], acknowledged)
    };
    assert_eq!(ready_condition(&suspended, &resolved(), &observation(0)).1, "NotProgrammed");
    assert_eq!(ready_condition(&suspended, &resolved(), &observation(1)).1, "Suspended");
}

#[test]
fn no_key_material_is_in_the_status_or_in_the_content_of_the_relay() {
    let key = protocol::api_key::ApiKey::generate(&mut rand::rng());
    let keys = vec![AgentKey { sha256: key.hash(), not_after: None }];
    let content =
        serde_json::to_string(&admin_spec(&alice(), &resolved(), "z6Mk", keys, "cluster.local")).unwrap();
    assert!(!content.contains(key.reveal()));
    let status = agent_status::accepted(
        &alice(),
        &resolved(),
        &observed(&[KeyState::Active], 1),
        "cluster.local",
        jiff::Timestamp::UNIX_EPOCH,
    );
    assert!(!serde_json::to_string(&status).unwrap().contains("sk_"));
}

#[test]
fn the_same_observation_again_changes_nothing() {
    let mut agent = alice();
    let first = agent_status::accepted(
        &agent,
        &resolved(),
        &observed(&[KeyState::Active, KeyState::Retiring], 1),
        "cluster.local",
        jiff::Timestamp::UNIX_EPOCH,
    );
    agent.status = Some(first.clone());
    let later = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    let second = agent_status::accepted(
        &agent,
        &resolved(),
        &observed(&[KeyState::Active, KeyState::Retiring], 1),
        "cluster.local",
        later,
    );
    assert_eq!(second, first);
}

fn status_of(agent: &Agent, observed: &AgentObservation) -> crds::AgentStatus {
    let later = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    agent_status::accepted(agent, &resolved(), observed, "cluster.local", later)
}

#[test]
fn a_failover_changes_no_status_before_the_relay_is_contacted() {
    let mut agent = alice();
    let before = AgentObservation {
        ca_fingerprint: Some("ab12".into()),
        ..observed(&[KeyState::Active, KeyState::Retiring], 1)
    };
    agent.status = Some(status_of(&agent, &before));
    let unknown =
        AgentObservation { programming: Programming::Unknown, ca_fingerprint: None, ..before.clone() };
    assert_eq!(status_of(&agent, &unknown), agent.status.clone().unwrap());
    agent.metadata.generation = Some(4);
    let changed = status_of(&agent, &unknown);
    for about in [Type::Programmed, Type::Ready] {
        let found = conditions::find(&changed.conditions, about).unwrap();
        assert_eq!(found.status, "Unknown", "nobody knows whether the relay has the new spec");
    }
}

#[test]
fn a_suspended_agent_is_current_for_kstatus_when_the_relay_enforces_it() {
    let suspended = agent(serde_json::json!({"tenantRef": {"name": "acme"}, "suspend": true}));
    let status = status_of(&suspended, &observed(&[KeyState::Active], 1));
    assert!(conditions::is_true(&status.conditions, Type::Ready));
    for progress in [Type::Reconciling, Type::Stalled] {
        assert!(conditions::find(&status.conditions, progress).is_none(), "{progress:?}");
    }
    let pending = status_of(&suspended, &observed(&[KeyState::Active], 0));
    assert!(conditions::is_true(&pending.conditions, Type::Reconciling));
    assert!(!conditions::is_true(&pending.conditions, Type::Ready));
}

#[test]
fn a_lost_identity_stalls_the_agent_and_says_how_to_go_on() {
    let mut agent = alice();
    agent.status = Some(status_of(&agent, &observed(&[KeyState::Active], 1)));
    let lost = AgentObservation { identity_is_lost: true, ..observed(&[KeyState::Active], 1) };
    let status = status_of(&agent, &lost);
    let stalled = conditions::find(&status.conditions, Type::Stalled).unwrap();
    assert_eq!(stalled.reason, "IdentityLost");
    assert!(stalled.message.contains("msg2agent.xyz/confirm-new-identity=z6Mk"), "{}", stalled.message);
    assert!(!conditions::is_true(&status.conditions, Type::Ready));
    assert_eq!(status.root_key_multibase.as_deref(), Some("z6Mk"), "the record of the lost key stays");
}

#[test]
fn a_root_key_is_recorded_only_when_it_is_stored() {
    let unstored = AgentObservation { root_key: None, ..observed(&[], 0) };
    assert_eq!(status_of(&alice(), &unstored).root_key_multibase, None);
    let mut agent = alice();
    agent.status = Some(status_of(&agent, &observed(&[KeyState::Active], 1)));
    assert_eq!(status_of(&agent, &unstored).root_key_multibase.as_deref(), Some("z6Mk"));
}

#[test]
fn a_refused_agent_keeps_what_identifies_it() {
    let mut agent = alice();
    agent.status = Some(status_of(&agent, &observed(&[KeyState::Active], 1)));
    let refusal = crate::refusal::Refusal::new(crds::condition::Reason::TenantNotAccepted, "m");
    let status = agent_status::refused(&agent, &refusal, jiff::Timestamp::UNIX_EPOCH);
    let before = agent.status.unwrap();
    assert_eq!((status.did, status.root_key_multibase), (before.did, before.root_key_multibase));
    assert!(status.keys.is_empty(), "the relay accepts no key of a refused Agent");
}

#[test]
fn a_secret_of_another_owner_stalls_the_agent_and_a_failed_request_does_not() {
    use agent_status::SecretObstacle;
    let mut agent = alice();
    agent.status = Some(status_of(&agent, &observed(&[KeyState::Active], 1)));
    let blocked =
        |obstacle| agent_status::blocked(&agent, &resolved(), "m", obstacle, jiff::Timestamp::UNIX_EPOCH);
    for (obstacle, reason) in [
        (SecretObstacle::NameTaken, "SecretNameConflict"),
        (SecretObstacle::OtherIdentity, "DidChanged"),
        (SecretObstacle::UnreadableIdentity, "IdentityLost"),
    ] {
        let status = blocked(obstacle);
        assert_eq!(conditions::find(&status.conditions, Type::Stalled).unwrap().reason, reason);
        assert!(!status.keys.is_empty(), "the relay still accepts the keys");
    }
    assert!(!conditions::is_true(&blocked(SecretObstacle::Failed).conditions, Type::Stalled));
}

#[test]
fn a_url_that_another_agent_has_holds_up_neither_keys_nor_suspension() {
    let with_mcp = agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true}}));
    let taken = AgentObservation {
        mcp_is_available: Some(true),
        refused_endpoint: Some(protocol::Reason::OwnerConflict),
        ..observed(&[KeyState::Active], 1)
    };
    let status = status_of(&with_mcp, &taken);
    let found = |about| conditions::find(&status.conditions, about).unwrap();
    assert_eq!((&*found(Type::McpReady).status, &*found(Type::McpReady).reason), ("False", "UrlTaken"));
    assert_eq!((&*found(Type::Programmed).status, &*found(Type::CredentialsReady).status), ("True", "True"));
    assert_eq!(found(Type::Ready).reason, "McpNotReady");
}

#[test]
fn an_endpoint_whose_public_host_is_not_granted_is_refused_and_the_rest_goes_on() {
    let url = "https://main.platform.svc.cluster.local/mcp";
    let agent =
        agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true, "publicURL": url}}));
    let refused = ResolvedAgent { public_host_is_granted: false, ..resolved() };
    let available = AgentObservation { mcp_is_available: Some(true), ..observed(&[KeyState::Active], 1) };
    let status =
        agent_status::accepted(&agent, &refused, &available, "cluster.local", jiff::Timestamp::UNIX_EPOCH);
    let found = |about| conditions::find(&status.conditions, about).unwrap();
    assert_eq!((&*found(Type::McpReady).status, &*found(Type::McpReady).reason), ("False", "HostNotAllowed"));
    assert_eq!((&*found(Type::Programmed).status, &*found(Type::CredentialsReady).status), ("True", "True"));
    assert_eq!(status.mcp_url, None);
    let written = admin_spec(&agent, &refused, "z6Mk", Vec::new(), "cluster.local");
    assert_eq!((written.mcp, written.suspended), (None, false));
    assert!(admin_spec(&agent, &resolved(), "z6Mk", Vec::new(), "cluster.local").mcp.is_some());
}

#[test]
fn a_suspension_by_the_agent_or_its_tenant_does_not_wait_for_secrets_that_somebody_has_to_mend() {
    let (going_on, resolved) = (agent(serde_json::json!({"tenantRef": {"name": "acme"}})), resolved());
    let suspended = agent(serde_json::json!({"tenantRef": {"name": "acme"}, "suspend": true}));
    let of_suspended_tenant = ResolvedAgent { tenant_is_suspended: true, ..resolved.clone() };
    let taken = SecretObstacle::NameTaken;
    assert!(taken.must_not_delay_suspension(&suspended, &resolved));
    assert!(taken.must_not_delay_suspension(&going_on, &of_suspended_tenant));
    assert!(!taken.must_not_delay_suspension(&going_on, &resolved));
    assert!(!SecretObstacle::Failed.must_not_delay_suspension(&suspended, &of_suspended_tenant));
}
