//! Shows that a DID belongs to its key: nobody else can register it.

use msg2agent::{Agent, ErrorKind, Reason};
use protocol::admin::TenantSpec;

use crate::agents::{TENANT, declare, relay};

#[tokio::test]
async fn a_second_key_registering_alices_did_is_refused() {
    let relay = relay().await;
    let alice = declare(&relay, TENANT, "alice").await;
    let connected = alice.connect(&relay).await;
    let thief = relay.identity(TENANT, "alice").unwrap();
    let config = relay.config(thief, &alice.key).unwrap();
    let error = Agent::connect(config).await.err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::Registration(Reason::KeyConflict));
    assert_eq!(connected.lookup(connected.did()).await.unwrap().root_key, connected.whoami().root_key);
}

#[tokio::test]
async fn under_a_tenant_key_the_first_root_is_pinned() {
    let relay = relay().await;
    let key = relay.admin().unwrap().make_tenant_key(TENANT).await.unwrap();
    let first = relay.identity(TENANT, "carol").unwrap();
    Agent::connect(relay.config(first, &key).unwrap()).await.unwrap().close().await;
    let second = relay.identity(TENANT, "carol").unwrap();
    let error = Agent::connect(relay.config(second, &key).unwrap()).await.err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::Registration(Reason::KeyConflict));
}

#[tokio::test]
async fn a_key_of_one_agent_does_not_open_another() {
    let relay = relay().await;
    let alice = declare(&relay, TENANT, "alice").await;
    let bob = declare(&relay, TENANT, "bob").await;
    let error =
        Agent::connect(relay.config(bob.identity(), &alice.key).unwrap()).await.err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::Registration(Reason::Forbidden));
}

#[tokio::test]
async fn a_suspended_tenant_is_closed_and_refused() {
    let relay = relay().await;
    let alice = declare(&relay, TENANT, "alice").await;
    let connected = alice.connect(&relay).await;
    let suspended = TenantSpec { suspended: true, ..TenantSpec::default() };
    relay.admin().unwrap().put_tenant(TENANT, &suspended).await.unwrap();
    assert_eq!(connected.ended().await.reason(), Some(Reason::Suspended));
}
