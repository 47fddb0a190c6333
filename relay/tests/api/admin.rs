//! Tests of the admin API: reads return what was written, writes are idempotent, and every request
//! needs the token.

use protocol::Reason;
use protocol::admin::{AgentView, KeySpec, KeyView, Page, TenantSpec, TenantView, Version};
use protocol::quota::QuotaName;
use serde_json::json;

use crate::harness::{agent_spec, new_key, start};

#[tokio::test]
async fn a_new_relay_has_the_default_tenant_and_no_agents() {
    let relay = start().await;
    let version: Version = relay.get("version").await.unwrap();
    assert_eq!((version.version, version.domain.as_str()), (1, "localhost"));
    let page: Page<TenantView> = relay.get("tenants").await.unwrap();
    let default = TenantView {
        tenant: "default".parse().unwrap(),
        spec: TenantSpec::default(),
        agents: 0,
        owner: None,
        digest: Some(TenantSpec::default().digest()),
    };
    assert_eq!(page, Page { items: vec![default], next: None });
}

#[tokio::test]
async fn the_same_body_again_makes_no_new_version() {
    let relay = start().await;
    let key = new_key();
    let spec = agent_spec(&[(&key, Some(4_000_000_000))]);
    let first = relay.put("tenants/default/agents/alice", &spec).await.unwrap();
    assert_eq!(first, 2);
    assert_eq!(relay.put("tenants/default/agents/alice", &spec).await.unwrap(), first);
    assert_eq!(relay.delete("tenants/default/agents/nobody").await.unwrap(), first);
    assert_eq!(relay.delete("tenants/default/agents/alice").await.unwrap(), first + 1);
    let gone = relay.get::<AgentView>("tenants/default/agents/alice").await.unwrap_err();
    assert_eq!(gone.reason, Reason::NotFound);
}

#[tokio::test]
async fn an_agent_is_shown_with_key_ids_and_without_hashes() {
    let relay = start().await;
    let key = relay.agent_with_key("alice").await;
    let view: AgentView = relay.get("tenants/default/agents/alice").await.unwrap();
    let expected = AgentView {
        did: "did:wba:localhost:agent:alice".parse().unwrap(),
        root_key: None,
        card: None,
        suspended: false,
        keys: vec![KeyView { key_id: key.hash().key_id(), not_after: None }],
        registered: false,
        online: false,
        pending: 0,
        owner: None,
        digest: Some(agent_spec(&[(&key, None)]).digest()),
        deletion_policy: None,
    };
    assert_eq!(view, expected);
    let raw: serde_json::Value = relay.get("tenants/default/agents/alice").await.unwrap();
    assert!(!raw.to_string().contains(&key.hash().to_string()), "{raw}");
}

#[tokio::test]
async fn one_tenants_lists_never_show_another_tenant() {
    let relay = start().await;
    for tenant in ["acme", "other"] {
        relay.put(&format!("tenants/{tenant}"), &TenantSpec::default()).await.unwrap();
        let key = new_key();
        let spec = KeySpec { sha256: key.hash(), not_after: None };
        relay.put(&format!("tenants/{tenant}/keys/{}", key.hash().key_id()), &spec).await.unwrap();
        for name in ["a", "b", "c"] {
            let path = format!("tenants/{tenant}/agents/{tenant}-{name}");
            relay.put(&path, &agent_spec(&[])).await.unwrap();
        }
    }
    let first: Page<AgentView> = relay.get("tenants/acme/agents?limit=2").await.unwrap();
    let next = first.next.unwrap();
    let second: Page<AgentView> =
        relay.get(&format!("tenants/acme/agents?limit=2&after={next}")).await.unwrap();
    let names: Vec<_> =
        first.items.iter().chain(&second.items).map(|agent| agent.did.name().to_owned()).collect();
    assert_eq!((names, second.next), (["acme-a", "acme-b", "acme-c"].map(String::from).to_vec(), None));
    let keys: Page<KeyView> = relay.get("tenants/acme/keys").await.unwrap();
    assert_eq!(keys.items.len(), 1);

    relay.delete("tenants/acme").await.unwrap();
    let gone = relay.get::<Page<AgentView>>("tenants/acme/agents").await.unwrap_err();
    assert_eq!(gone.reason, Reason::NotFound);
    let kept: Page<AgentView> = relay.get("tenants/other/agents").await.unwrap();
    assert_eq!(kept.items.len(), 3);
}

#[tokio::test]
async fn a_suspension_changes_nothing_else_of_an_agent() {
    let relay = start().await;
    let alice = "tenants/default/agents/alice";
    relay.agent_with_key("alice").await;
    let before: AgentView = relay.get(alice).await.unwrap();
    let suspension = format!("{alice}/suspension");
    relay.put(&suspension, &json!({"suspended": true})).await.unwrap();
    let during: AgentView = relay.get(alice).await.unwrap();
    assert_ne!(during.digest, before.digest);
    assert_eq!(during, AgentView { suspended: true, digest: during.digest.clone(), ..before.clone() });
    relay.put(&suspension, &json!({"suspended": false})).await.unwrap();
    assert_eq!(relay.get::<AgentView>(alice).await.unwrap(), before);
    let missing = relay.put("tenants/default/agents/bob/suspension", &json!({"suspended": true})).await;
    assert_eq!(missing.unwrap_err().reason, Reason::NotFound);
}

#[tokio::test]
async fn a_refusal_says_what_is_wrong() {
    let relay = start().await;
    let alice = "tenants/default/agents/alice";
    for (path, body, reason, part) in [
        (alice, json!({"surprise": 1}), Reason::InvalidParams, "unknown field `surprise`"),
        (alice, json!({"rootKey": "z6Mk"}), Reason::InvalidParams, "rootKey"),
        (alice, json!({"keys": [{"sha256": "00"}]}), Reason::InvalidParams, "64 lower-case hex"),
        ("tenants/nowhere/agents/alice", json!({}), Reason::NotFound, "nowhere does not exist"),
        ("tenants/default/agents/system", json!({}), Reason::InvalidParams, "reserved"),
        ("tenants/Acme", json!({}), Reason::InvalidParams, "the tenant"),
        (alice, json!({"rootKey": "z".repeat(70_000)}), Reason::TooLarge, "length limit"),
    ] {
        let problem = relay.put(path, &body).await.unwrap_err();
        assert_eq!(problem.reason, reason, "{path} {problem:?}");
        assert!(problem.detail.as_ref().is_some_and(|detail| detail.contains(part)), "{problem:?}");
    }
    assert_eq!(relay.get::<Version>("version").await.unwrap().version, 1);
}

#[tokio::test]
async fn every_request_needs_the_token_and_a_rotated_token_is_valid_at_once() {
    let relay = start().await;
    let url = format!("{}/admin/v1/version", relay.admin_url);
    let refused = relay.client.get(&url).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"msg2agent\"");
    let refused = relay.client.get(&url).bearer_auth("wrong").send().await.unwrap();
    let problem: protocol::admin::Problem = refused.json().await.unwrap();
    assert_eq!(problem.reason, Reason::TokenInvalid);

    std::fs::write(relay.token_file(), "rotated\n").unwrap();
    let old = relay.get::<Version>("version").await.unwrap_err();
    assert_eq!(old.reason, Reason::TokenInvalid);
    assert_eq!(relay.client.get(&url).bearer_auth("rotated").send().await.unwrap().status(), 200);

    std::fs::remove_file(relay.token_file()).unwrap();
    assert_eq!(relay.client.get(&url).bearer_auth("rotated").send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_restart_keeps_state_version_and_instance() {
    let relay = start().await;
    let spec = TenantSpec {
        display_name: "Acme".into(),
        suspended: false,
        agents_max: Some(7),
        ..TenantSpec::default()
    };
    relay.put("tenants/acme", &spec).await.unwrap();
    let key = relay.agent_with_key("alice").await;
    let before: Version = relay.get("version").await.unwrap();
    let alice: AgentView = relay.get("tenants/default/agents/alice").await.unwrap();

    let relay = relay.restart().await;
    assert_eq!(relay.get::<Version>("version").await.unwrap(), before);
    assert_eq!(relay.get::<TenantView>("tenants/acme").await.unwrap().spec, spec);
    assert_eq!(relay.get::<AgentView>("tenants/default/agents/alice").await.unwrap(), alice);
    let again = relay.put("tenants/default/agents/alice", &agent_spec(&[(&key, None)])).await.unwrap();
    assert_eq!(again, before.version);
}

#[tokio::test]
async fn a_tenant_cannot_exceed_its_limit_of_agents() {
    let relay = start().await;
    relay.put("tenants/acme", &TenantSpec { agents_max: Some(1), ..TenantSpec::default() }).await.unwrap();
    relay.put("tenants/acme/agents/a", &agent_spec(&[])).await.unwrap();
    let refused = relay.put("tenants/acme/agents/b", &agent_spec(&[])).await.unwrap_err();
    assert_eq!((refused.reason, refused.status), (Reason::QuotaExceeded, 409));
    let quota = refused.quota.unwrap();
    assert_eq!((quota.name, quota.limit, quota.current), (QuotaName::TenantAgents, 1, 1));
}
