//! Declared invitations: the admin chooses id and code.

use protocol::Reason;
use protocol::admin::{
    DeclaredInvitation, InvitationView, MAX_INVITATION_TTL_SECONDS, McpSpec, Page, Problem, TenantSpec,
};
use protocol::api_key::KeyHash;

use super::person::*;
use crate::harness::{TestRelay, start};

const CODE: &str = "m2inv_made-by-the-admin";

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// An invitation to alice with this code, for an hour.
fn declared(code: &str) -> DeclaredInvitation {
    let agent = "alice".parse().unwrap();
    DeclaredInvitation { agent, sha256: KeyHash::sha256(code), not_after: now() + 3600 }
}

async fn declare(relay: &TestRelay, id: &str, spec: &DeclaredInvitation) -> Result<u64, Problem> {
    relay.put(&format!("tenants/default/invitations/{id}"), spec).await
}

async fn listed(relay: &TestRelay) -> Vec<InvitationView> {
    relay.get::<Page<InvitationView>>("tenants/default/invitations").await.unwrap().items
}

#[tokio::test]
async fn the_same_declaration_changes_nothing_also_once_it_was_used() {
    let relay = start().await;
    let key = put_alice(&relay, &[]).await;
    let spec = declared(CODE);
    let version = declare(&relay, "for-team-1", &spec).await.unwrap();
    assert_eq!(declare(&relay, "for-team-1", &spec).await.unwrap(), version);
    let connected = connect_with(&relay, CODE).await;
    assert_eq!(declare(&relay, "for-team-1", &spec).await.unwrap(), version);
    let views = listed(&relay).await;
    assert_eq!((views.len(), views[0].id.as_str(), views[0].used), (1, "for-team-1", true));
    assert_eq!(introspect(&relay, &key, &connected.access).await["active"], true);
    let again = Person::new(&relay).type_code(&request(&connected.client_id, &[]), CODE).await;
    assert!(again.text().await.unwrap().contains("was used before"));
}

#[tokio::test]
async fn another_code_replaces_it_and_takes_the_account_back() {
    let relay = start().await;
    let key = put_alice(&relay, &[]).await;
    declare(&relay, "one", &declared(CODE)).await.unwrap();
    let connected = connect_with(&relay, CODE).await;
    declare(&relay, "one", &declared("m2inv_another")).await.unwrap();
    assert_eq!(introspect(&relay, &key, &connected.access).await["active"], false);
    assert_eq!(refresh_error(&relay, &connected).await.as_deref(), Some("invalid_grant"));
    assert!(!listed(&relay).await[0].used);
    let old = Person::new(&relay).type_code(&request(&connected.client_id, &[]), CODE).await;
    assert!(old.text().await.unwrap().contains("not an invitation to this agent"));
    connect_with(&relay, "m2inv_another").await;
}

#[tokio::test]
async fn another_agent_replaces_it_and_takes_the_account_back() {
    let relay = start().await;
    let key = put_alice(&relay, &[]).await;
    relay.agent_with_key("bob").await;
    declare(&relay, "one", &declared(CODE)).await.unwrap();
    let connected = connect_with(&relay, CODE).await;
    let for_bob = DeclaredInvitation { agent: "bob".parse().unwrap(), ..declared(CODE) };
    declare(&relay, "one", &for_bob).await.unwrap();
    assert_eq!(introspect(&relay, &key, &connected.access).await["active"], false);
    let views = listed(&relay).await;
    assert_eq!((views[0].agent.as_str(), views[0].used), ("bob", false));
}

#[tokio::test]
async fn another_end_leaves_whoever_used_it() {
    let relay = start().await;
    let key = put_alice(&relay, &[]).await;
    let spec = declared(CODE);
    declare(&relay, "one", &spec).await.unwrap();
    let connected = connect_with(&relay, CODE).await;
    let later = DeclaredInvitation { not_after: spec.not_after + 60, ..spec };
    declare(&relay, "one", &later).await.unwrap();
    let views = listed(&relay).await;
    assert_eq!((views[0].expires, views[0].used), (later.not_after, true));
    assert_eq!(introspect(&relay, &key, &connected.access).await["active"], true);
}

#[tokio::test]
async fn what_cannot_be_declared_is_refused_with_its_reason() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let far = DeclaredInvitation { not_after: now() + MAX_INVITATION_TTL_SECONDS + 600, ..declared(CODE) };
    let for_nobody = DeclaredInvitation { agent: "nobody".parse().unwrap(), ..declared(CODE) };
    let longer = "x".repeat(64);
    for (id, spec, reason, said) in [
        ("i_like-those-of-post", declared(CODE), Reason::InvalidParams, "DNS label"),
        ("Upper", declared(CODE), Reason::InvalidParams, "DNS label"),
        ("-a", declared(CODE), Reason::InvalidParams, "DNS label"),
        (longer.as_str(), declared(CODE), Reason::InvalidParams, "DNS label"),
        ("one", far, Reason::InvalidParams, "notAfter must be at most"),
        ("one", for_nobody, Reason::NotFound, "does not exist"),
    ] {
        let refused = declare(&relay, id, &spec).await.unwrap_err();
        assert_eq!(refused.reason, reason, "{id}");
        assert!(refused.detail.unwrap().contains(said), "{id}");
    }
    assert_eq!(listed(&relay).await, []);
}

#[tokio::test]
async fn a_code_leads_to_one_invitation_and_an_id_belongs_to_its_tenant() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    declare(&relay, "one", &declared(CODE)).await.unwrap();
    let refused = declare(&relay, "two", &declared(CODE)).await.unwrap_err();
    assert_eq!(refused.detail.as_deref(), Some("another invitation has this code"));

    relay.put("tenants/acme", &TenantSpec::default()).await.unwrap();
    relay.put("tenants/acme/agents/alice", &crate::harness::agent_spec(&[])).await.unwrap();
    let mcp = McpSpec { url: "https://mcp.example/acme".into(), accounts: vec![], endpoint: None };
    relay.put("tenants/acme/agents/alice/mcp", &mcp).await.unwrap();
    relay.put("tenants/acme/invitations/one", &declared("m2inv_of-acme")).await.unwrap();
    connect_with(&relay, CODE).await;
    let client_id = register(&relay).await;
    let query = request(&client_id, &[("resource", &mcp.url)]);
    Person::new(&relay).sign_in(&query, "m2inv_of-acme").await;
    relay.delete("tenants/acme/invitations/one").await.unwrap();
    assert!(listed(&relay).await[0].used, "the one of the other tenant stays");
}
