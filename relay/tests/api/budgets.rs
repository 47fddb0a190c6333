//! Tests of the budgets of mailboxes: a tenant that fills its own takes nothing from another.

use protocol::admin::TenantSpec;
use protocol::frame::{RpcError, SendStatus, method};
use protocol::quota::QuotaName;
use protocol::{Did, Envelope, Reason};

use crate::agent::{Agent, did, identity};
use crate::harness::{DOMAIN, TestRelay, agent_spec, new_key, start_with};

/// An agent of the tenant `other`, and the DID of one of its neighbours that stays away.
async fn other_tenant(relay: &TestRelay) -> (Agent, Did) {
    relay.put("tenants/other", &TenantSpec::default()).await.unwrap();
    let key = new_key();
    relay.put("tenants/other/agents/carol", &agent_spec(&[(&key, None)])).await.unwrap();
    relay.put("tenants/other/agents/dave", &agent_spec(&[(&new_key(), None)])).await.unwrap();
    let of =
        |name: &str| Did::new(&DOMAIN.parse().unwrap(), &"other".parse().unwrap(), &name.parse().unwrap());
    (Agent::open(relay, &key, identity(&of("carol"))).await.unwrap(), of("dave"))
}

async fn refusal(agent: &mut Agent, envelope: &Envelope) -> RpcError {
    let sent = agent.request(method::SEND, envelope).await;
    agent.answer(sent).await.unwrap_err()
}

#[tokio::test]
async fn a_tenant_that_has_used_up_its_messages_is_refused_and_another_tenant_still_sends() {
    let relay = start_with(|config, _| config.limits.tenant_mailbox_messages = 5).await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    for name in ["bob", "erin"] {
        relay.agent_with_key(name).await;
    }
    for index in 0..5 {
        // Over several mailboxes: the budget is the tenant's.
        let to = did(if index % 2 == 0 { "bob" } else { "erin" });
        let envelope = alice.envelope(&to);
        assert_eq!(alice.send(&envelope).await, Ok(SendStatus::Stored));
    }
    let envelope = alice.envelope(&did("erin"));
    let error = refusal(&mut alice, &envelope).await;
    let quota = error.data.quota.unwrap();
    assert_eq!(error.data.reason, Reason::StorageFull);
    assert_eq!((quota.name, quota.limit, quota.current), (QuotaName::TenantMailboxMessages, 5, 5));

    let (mut carol, dave) = other_tenant(&relay).await;
    for _ in 0..5 {
        let envelope = carol.envelope(&dave);
        assert_eq!(carol.send(&envelope).await, Ok(SendStatus::Stored));
    }
}

#[tokio::test]
async fn a_relay_whose_bytes_are_used_up_keeps_room_for_a_tenant_that_holds_little() {
    let relay = start_with(|config, _| config.limits.relay_mailbox_bytes = 16_384).await;
    let (mut alice, _) = Agent::join(&relay, "alice").await;
    relay.agent_with_key("bob").await;
    let error = loop {
        let envelope = alice.envelope(&did("bob"));
        let sent = alice.request(method::SEND, &envelope).await;
        if let Err(error) = alice.answer(sent).await {
            break error;
        }
    };
    assert_eq!(error.data.reason, Reason::StorageFull);
    assert_eq!(error.data.quota.unwrap().name, QuotaName::RelayMailboxBytes);

    let (mut carol, dave) = other_tenant(&relay).await;
    let envelope = carol.envelope(&dave);
    assert_eq!(carol.send(&envelope).await, Ok(SendStatus::Stored));
}
