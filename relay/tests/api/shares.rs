//! Tests of the shares of connections and registrations: whoever takes all of his own takes nothing
//! from others.

use std::sync::Arc;

use protocol::Reason;
use protocol::admin::{Problem, TenantSpec};
use protocol::api_key::ApiKey;
use protocol::frame::{RpcError, method};
use protocol::quota::QuotaName;
use protocol::record::Card;
use reqwest::Upgraded;

use crate::agent::{Agent, card, did, identity, now};
use crate::harness::{TestRelay, agent_spec, eventually, new_key, start, start_with};

/// Connections with one key of an agent, as the relay allows them.
const KEY_CONNECTIONS: usize = 8;
/// Registrations of one agent with a new record within a minute.
const REGISTRATIONS: u64 = 120;

pub(crate) async fn open(relay: &TestRelay, key: &ApiKey) -> Result<Upgraded, Problem> {
    let request = relay.client.get(format!("{}/ws", relay.url)).bearer_auth(key.reveal());
    let headers = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "msg2agent.v1"),
    ];
    let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    let answer = request.send().await.unwrap();
    match answer.status().as_u16() {
        101 => Ok(answer.upgrade().await.unwrap()),
        status => {
            assert_eq!((status, answer.headers().contains_key("retry-after")), (429, true));
            Err(answer.json().await.unwrap())
        }
    }
}

/// Opens connections with these keys in turn until one is refused.
pub(crate) async fn fill(relay: &TestRelay, keys: &[ApiKey]) -> (Vec<Upgraded>, Problem) {
    let mut opened = Vec::new();
    loop {
        for key in keys {
            match open(relay, key).await {
                Ok(connection) => opened.push(connection),
                Err(problem) => return (opened, problem),
            }
        }
    }
}

fn assert_refused(problem: &Problem, name: QuotaName, limit: u64) {
    let quota = problem.quota.unwrap();
    assert_eq!(problem.reason, Reason::TooManyConnections);
    assert_eq!((quota.name, quota.limit, quota.current), (name, limit, limit));
}

#[tokio::test]
async fn the_connections_of_one_key_are_limited_and_another_agent_connects() {
    let relay = start().await;
    let key = relay.agent_with_key("alice").await;
    let (mut opened, problem) = fill(&relay, std::slice::from_ref(&key)).await;
    assert_refused(&problem, QuotaName::KeyConnections, KEY_CONNECTIONS as u64);
    assert_eq!(opened.len(), KEY_CONNECTIONS);
    Agent::join(&relay, "bob").await;

    opened.pop();
    eventually("a place that was given back", async || open(&relay, &key).await.ok()).await;
}

#[tokio::test]
async fn the_connections_of_one_agent_are_limited_however_many_keys_it_has() {
    let relay = start().await;
    let keys = [new_key(), new_key(), new_key()];
    let spec = agent_spec(&[(&keys[0], None), (&keys[1], None), (&keys[2], None)]);
    relay.put("tenants/default/agents/alice", &spec).await.unwrap();
    let (opened, problem) = fill(&relay, &keys).await;
    assert_refused(&problem, QuotaName::AgentConnections, 2 * KEY_CONNECTIONS as u64);
    assert_eq!(opened.len(), 2 * KEY_CONNECTIONS);
}

#[tokio::test]
async fn the_connections_of_one_tenant_are_limited_and_another_tenant_connects() {
    let relay = start_with(|config, _| {
        (config.limits.connections, config.limits.address_share_percent) = (40, 100);
        config.limits.tenant_share_percent = 10;
    })
    .await;
    let keys = [relay.agent_with_key("alice").await, relay.agent_with_key("bob").await];
    let (_opened, problem) = fill(&relay, &keys).await;
    assert_refused(&problem, QuotaName::TenantConnections, 4);

    let key = new_key();
    relay.put("tenants/other", &TenantSpec::default()).await.unwrap();
    relay.put("tenants/other/agents/carol", &agent_spec(&[(&key, None)])).await.unwrap();
    open(&relay, &key).await.unwrap();
}

/// Registers with a card that the relay has not seen.
async fn register_anew(agent: &mut Agent, number: u64) -> Result<String, RpcError> {
    let card = Card { description: format!("version {number}"), ..card("alice") };
    let params = agent.registration_of(card, now()).await.unwrap();
    let id = agent.request(method::REGISTER, &params).await;
    agent.answer(id).await
}

#[tokio::test]
async fn an_agent_that_registers_new_records_too_often_is_refused_and_another_is_not() {
    let relay = start().await;
    let key = relay.agent_with_key("alice").await;
    let identity = Arc::new(identity(&did("alice")));
    let mut number = 0;
    // Each connection has its own limit of requests.
    let error = 'refused: loop {
        let mut alice = Agent::unregistered(&relay, &key, Arc::clone(&identity)).await;
        for _ in 0..40 {
            if let Err(error) = register_anew(&mut alice, number).await {
                break 'refused error;
            }
            number += 1;
        }
    };
    let quota = error.data.quota.unwrap();
    assert_eq!((error.data.reason, quota.name), (Reason::RateLimited, QuotaName::Registrations));
    assert_eq!((quota.limit, quota.current, number), (REGISTRATIONS, REGISTRATIONS, REGISTRATIONS));
    assert!(error.data.retry_after_ms.is_some());
    Agent::join(&relay, "bob").await;
}
