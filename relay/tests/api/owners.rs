//! Tests of owners and terms in the admin API: who may write an entry, and which leader.

use protocol::Reason;
use protocol::admin::{
    AgentSpec, AgentView, Applied, DeclaredInvitation, FORMER_OWNER_HEADER, IF_OWNED_HEADER, InvitationSpec,
    KeySpec, McpSpec, OWNER_HEADER, Owner, Problem, Suspension, TERM_HEADER, TenantSpec, TenantView,
};
use reqwest::Method;
use serde::Serialize;
use serde_json::Value;

use crate::agent::{Agent, did, identity};
use crate::harness::{TestRelay, agent_spec, new_key, start};

const ALICE: &str = "tenants/acme/agents/alice";
const A: (&str, &str) = (OWNER_HEADER, "kubernetes:a");
const B: (&str, &str) = (OWNER_HEADER, "kubernetes:b");
const PERSON: (&str, &str) = (OWNER_HEADER, "command-line");
const FROM_A: (&str, &str) = (FORMER_OWNER_HEADER, "kubernetes:a");
const IF_OWNED: (&str, &str) = (IF_OWNED_HEADER, "true");

type Headers<'a> = &'a [(&'static str, &'a str)];

async fn put(relay: &TestRelay, by: Headers<'_>, path: &str, body: &impl Serialize) -> Result<u64, Problem> {
    let applied = relay.admin_with::<Applied>(by, Method::PUT, path, Some(body)).await;
    applied.map(|applied| applied.version)
}

async fn delete(relay: &TestRelay, by: Headers<'_>, path: &str) -> Result<u64, Problem> {
    let applied = relay.admin_with::<Applied>(by, Method::DELETE, path, None::<&()>).await;
    applied.map(|applied| applied.version)
}

/// A relay on which the tenant `acme` and its agent `alice` belong to the object `a`.
async fn start_owned() -> TestRelay {
    let relay = start().await;
    put(&relay, &[A], "tenants/acme", &TenantSpec::default()).await.unwrap();
    put(&relay, &[A], ALICE, &agent_spec(&[(&new_key(), None)])).await.unwrap();
    relay
}

#[tokio::test]
async fn nobody_but_its_owner_writes_an_entry_or_what_belongs_to_it() {
    let relay = start_owned().await;
    let key = new_key();
    let key_path = format!("tenants/acme/keys/{}", key.hash().key_id());
    let key_spec = KeySpec { sha256: key.hash(), not_after: None };
    let mcp = McpSpec { url: "https://a.example/mcp".into(), accounts: vec![], endpoint: None };
    let suspended = Suspension { suspended: true };
    let (agent, sha256) = ("alice".parse().unwrap(), new_key().hash());
    let declared = DeclaredInvitation { agent, sha256, not_after: 4_000_000_000 };
    let before: AgentView = relay.get(ALICE).await.unwrap();
    for by in [&[B][..], &[PERSON], &[]] {
        let refused = [
            put(&relay, by, "tenants/acme", &TenantSpec { suspended: true, ..TenantSpec::default() }).await,
            put(&relay, by, ALICE, &AgentSpec { suspended: true, ..AgentSpec::default() }).await,
            put(&relay, by, &format!("{ALICE}/suspension"), &suspended).await,
            put(&relay, by, &format!("{ALICE}/mcp"), &mcp).await,
            put(&relay, by, &key_path, &key_spec).await,
            delete(&relay, by, &format!("{ALICE}/mcp")).await,
            delete(&relay, by, &key_path).await,
            delete(&relay, by, ALICE).await,
            delete(&relay, by, "tenants/acme").await,
            delete(&relay, by, "tenants/acme/invitations/one").await,
            put(&relay, by, "tenants/acme/invitations/two", &declared).await,
        ];
        for refused in refused {
            let problem = refused.unwrap_err();
            assert_eq!((problem.reason, problem.status), (Reason::OwnerConflict, 409), "{by:?}");
            assert_eq!(problem.detail.as_deref(), Some("the entry belongs to kubernetes:a"));
        }
        let spec = InvitationSpec { agent: "alice".parse().unwrap(), expires_in_seconds: None };
        let path = "tenants/acme/invitations";
        let refused = relay.admin_with::<Value>(by, Method::POST, path, Some(&spec)).await.unwrap_err();
        assert_eq!(refused.reason, Reason::OwnerConflict);
    }
    assert_eq!(relay.get::<AgentView>(ALICE).await.unwrap(), before);
    put(&relay, &[A], &key_path, &key_spec).await.unwrap();
    put(&relay, &[A], &format!("{ALICE}/suspension"), &suspended).await.unwrap();
}

/// A session that was closed and opened again would begin with the first delivery.
#[tokio::test]
async fn refused_writes_leave_the_session_and_the_mail_of_an_agent_as_they_are() {
    let relay = start().await;
    let (path, key) = ("tenants/default/agents/bob", new_key());
    put(&relay, &[A], path, &agent_spec(&[(&key, None)])).await.unwrap();
    let mut bob = Agent::open(&relay, &key, identity(&did("bob"))).await.unwrap();
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    let sent = [alice.envelope(&bob.did), alice.envelope(&bob.did)];
    alice.submit(&sent[0]).await;
    let first = bob.delivery().await;
    for by in [&[B][..], &[PERSON], &[B, IF_OWNED], &[B, (FORMER_OWNER_HEADER, "kubernetes:c")]] {
        let suspended = AgentSpec { suspended: true, ..AgentSpec::default() };
        let refused = [
            put(&relay, by, path, &suspended).await,
            put(&relay, by, &format!("{path}/suspension"), &Suspension { suspended: true }).await,
            delete(&relay, by, path).await,
        ];
        for refused in refused {
            assert_eq!(refused.unwrap_err().reason, Reason::OwnerConflict, "{by:?}");
        }
    }
    alice.submit(&sent[1]).await;
    let second = bob.delivery().await;
    assert_eq!((second.epoch, second.seq), (first.epoch, first.seq + 1), "the same session goes on");
    bob.socket.close(None).await.unwrap();
    let mut bob = Agent::open(&relay, &key, bob.identity.clone()).await.unwrap();
    assert_eq!(bob.take(2).await, sent.map(|envelope| envelope.id), "nothing was acknowledged");
}

#[tokio::test]
async fn views_name_the_owner_and_the_digest_and_a_restart_keeps_them() {
    let relay = start_owned().await;
    let spec = agent_spec(&[(&new_key(), Some(4_000_000_000))]);
    put(&relay, &[A], ALICE, &spec).await.unwrap();
    let before: AgentView = relay.get(ALICE).await.unwrap();
    assert_eq!(before.owner, Some(Owner::Kubernetes("a".into())));
    assert_eq!(before.digest, Some(spec.digest()));
    let relay = relay.restart().await;
    assert_eq!(relay.get::<AgentView>(ALICE).await.unwrap(), before);
    let tenant: TenantView = relay.get("tenants/acme").await.unwrap();
    assert_eq!(tenant.owner, Some(Owner::Kubernetes("a".into())));
    assert_eq!(tenant.digest, Some(TenantSpec::default().digest()));
}

#[tokio::test]
async fn an_entry_is_handed_over_by_naming_its_owner() {
    let relay = start_owned().await;
    put(&relay, &[B, FROM_A], ALICE, &AgentSpec::default()).await.unwrap();
    let view: AgentView = relay.get(ALICE).await.unwrap();
    assert_eq!(view.owner, Some(Owner::Kubernetes("b".into())));
    let refused = put(&relay, &[A], ALICE, &AgentSpec::default()).await.unwrap_err();
    assert_eq!(refused.reason, Reason::OwnerConflict);
    let refused = put(&relay, &[PERSON, FROM_A], ALICE, &AgentSpec::default()).await.unwrap_err();
    assert_eq!(refused.reason, Reason::OwnerConflict, "it no longer belongs to the named owner");
}

#[tokio::test]
async fn a_write_that_must_own_the_entry_makes_and_claims_nothing() {
    let relay = start_owned().await;
    let nobodys = "tenants/acme/agents/nobodys";
    put(&relay, &[], nobodys, &AgentSpec::default()).await.unwrap();
    let suspension = Suspension { suspended: true };
    for (path, reason) in [
        ("tenants/acme/agents/missing", Reason::NotFound),
        (nobodys, Reason::OwnerConflict),
        (ALICE, Reason::OwnerConflict),
    ] {
        let refused = put(&relay, &[B, IF_OWNED], path, &AgentSpec::default()).await.unwrap_err();
        assert_eq!(refused.reason, reason, "{path}");
        let path = format!("{path}/suspension");
        let refused = put(&relay, &[B, IF_OWNED], &path, &suspension).await.unwrap_err();
        assert_eq!(refused.reason, reason, "{path}");
    }
    let refused = put(&relay, &[B, IF_OWNED], "tenants/new", &TenantSpec::default()).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotFound);
    put(&relay, &[A, IF_OWNED], &format!("{ALICE}/suspension"), &suspension).await.unwrap();
    assert_eq!(relay.get::<AgentView>(nobodys).await.unwrap().owner, None);
}

#[tokio::test]
async fn a_person_manages_what_an_agent_registered_and_an_object_does_not() {
    let relay = start().await;
    let key = new_key();
    let spec = KeySpec { sha256: key.hash(), not_after: None };
    relay.put(&format!("tenants/default/keys/{}", key.hash().key_id()), &spec).await.unwrap();
    let _agent = Agent::open(&relay, &key, identity(&did("bob"))).await.unwrap();
    let bob = "tenants/default/agents/bob";
    assert_eq!(relay.get::<AgentView>(bob).await.unwrap().owner, Some(Owner::Registration));
    let refused = delete(&relay, &[A], bob).await.unwrap_err();
    assert_eq!(refused.reason, Reason::OwnerConflict);
    let suspension = format!("{bob}/suspension");
    put(&relay, &[PERSON], &suspension, &Suspension { suspended: true }).await.unwrap();
    put(&relay, &[PERSON], &suspension, &Suspension { suspended: false }).await.unwrap();
    assert_eq!(relay.get::<AgentView>(bob).await.unwrap().owner, Some(Owner::Registration));
    delete(&relay, &[PERSON], bob).await.unwrap();
}

#[tokio::test]
async fn a_malformed_header_is_refused() {
    let relay = start_owned().await;
    for header in [
        (OWNER_HEADER, "somebody"),
        (OWNER_HEADER, "registration"),
        (FORMER_OWNER_HEADER, "kubernetes:"),
        (IF_OWNED_HEADER, "1"),
        (TERM_HEADER, "1"),
    ] {
        let refused = put(&relay, &[header], ALICE, &AgentSpec::default()).await.unwrap_err();
        assert_eq!(refused.reason, Reason::InvalidParams, "{header:?}");
    }
}

#[tokio::test]
async fn a_former_leader_is_refused_also_after_a_restart_and_a_person_never_is() {
    let relay = start_owned().await;
    let leader = |term| [A, (TERM_HEADER, term)];
    let write = async |relay: &TestRelay, by: Headers<'_>| {
        put(relay, by, ALICE, &AgentSpec::default()).await.map_err(|problem| problem.reason)
    };
    write(&relay, &leader("1700000000.10")).await.unwrap();
    assert_eq!(write(&relay, &leader("1700000000.9")).await, Err(Reason::StaleTerm));
    // A refused write of a newer leader ends the older one too.
    let refused = put(&relay, &[B, (TERM_HEADER, "1700000000.11")], ALICE, &AgentSpec::default()).await;
    assert_eq!(refused.unwrap_err().reason, Reason::OwnerConflict);
    assert_eq!(write(&relay, &leader("1700000000.10")).await, Err(Reason::StaleTerm));
    let relay = relay.restart().await;
    assert_eq!(write(&relay, &leader("1700000000.10")).await, Err(Reason::StaleTerm));
    let refused = delete(&relay, &leader("1600000000.99"), "tenants/acme/invitations/one").await;
    assert_eq!(refused.unwrap_err().reason, Reason::StaleTerm);
    write(&relay, &[A]).await.unwrap();
    write(&relay, &leader("1700000001.0")).await.unwrap();
}
