//! Tests of sessions: who gets one, and when it is closed.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::Reason;
use protocol::admin::{KeySpec, Problem, TenantSpec};
use protocol::api_key::ApiKey;
use tokio::io::AsyncReadExt as _;

use crate::harness::{TEST_TIMEOUT, TestRelay, agent_spec, new_key, start};

/// Opens a WebSocket. Returns the upgraded connection or the refusal.
async fn connect(relay: &TestRelay, key: Option<&str>, protocol: &str) -> Result<reqwest::Upgraded, Problem> {
    let request = relay
        .client
        .get(format!("{}/ws", relay.url))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", protocol);
    let request = if let Some(key) = key { request.bearer_auth(key) } else { request };
    let answer = request.send().await.unwrap();
    if answer.status() == 101 {
        assert_eq!(answer.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        return Ok(answer.upgrade().await.unwrap());
    }
    let unauthorized = answer.status() == 401;
    assert_eq!(answer.headers().contains_key("www-authenticate"), unauthorized);
    Err(answer.json().await.unwrap())
}

async fn open(relay: &TestRelay, key: &ApiKey) -> Result<reqwest::Upgraded, Problem> {
    connect(relay, Some(key.reveal()), "msg2agent.v1").await
}

/// Returns when the relay has closed the connection.
async fn closed(mut session: reqwest::Upgraded) {
    let mut rest = Vec::new();
    // The connection ends with or without a close frame.
    let _ = tokio::time::timeout(TEST_TIMEOUT, session.read_to_end(&mut rest)).await.unwrap();
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn refusals_before_the_upgrade_name_their_reason_and_are_counted() {
    let relay = start().await;
    let key = relay.agent_with_key("alice").await;
    let expired = new_key();
    relay.put("tenants/default/agents/bob", &agent_spec(&[(&expired, Some(now() - 1))])).await.unwrap();
    let stranger = new_key();
    for (key, protocol, reason) in [
        (None, "msg2agent.v1", Reason::KeyMissing),
        (Some(stranger.reveal()), "msg2agent.v1", Reason::KeyUnknown),
        (Some(expired.reveal()), "msg2agent.v1", Reason::KeyExpired),
        (Some(key.reveal()), "other", Reason::SubprotocolMissing),
    ] {
        let problem = connect(&relay, key, protocol).await.unwrap_err();
        assert_eq!((problem.reason, problem.status), (reason, reason.http_status()));
        let counter = format!("msg2agent_relay_auth_failures_total{{reason=\"{}\"}}", reason.as_str());
        assert_eq!(relay.metric(&counter).await, Some(1.0), "{counter}");
    }
    open(&relay, &key).await.unwrap();
}

#[tokio::test]
async fn a_revoked_key_loses_its_session_before_the_answer_and_opens_no_other() {
    let relay = start().await;
    let (old, new) = (new_key(), new_key());
    relay.put("tenants/default/agents/alice", &agent_spec(&[(&old, None), (&new, None)])).await.unwrap();
    let old_session = open(&relay, &old).await.unwrap();
    let new_session = open(&relay, &new).await.unwrap();
    relay.put("tenants/default/agents/alice", &agent_spec(&[(&new, None)])).await.unwrap();
    assert_eq!(open(&relay, &old).await.unwrap_err().reason, Reason::KeyUnknown);
    closed(old_session).await;
    drop(new_session);
    open(&relay, &new).await.unwrap();
}

#[tokio::test]
async fn the_session_of_an_expired_key_is_closed_on_time() {
    let relay = start().await;
    let key = new_key();
    relay.put("tenants/default/agents/alice", &agent_spec(&[(&key, Some(now() + 2))])).await.unwrap();
    let session = open(&relay, &key).await.unwrap();
    closed(session).await;
    assert_eq!(open(&relay, &key).await.unwrap_err().reason, Reason::KeyExpired);
}

#[tokio::test]
async fn a_suspended_tenant_has_no_access_until_it_is_resumed() {
    let relay = start().await;
    relay.put("tenants/acme", &TenantSpec::default()).await.unwrap();
    let key = new_key();
    let path = format!("tenants/acme/keys/{}", key.hash().key_id());
    relay.put(&path, &KeySpec { sha256: key.hash(), not_after: None }).await.unwrap();
    let session = open(&relay, &key).await.unwrap();
    relay.put("tenants/acme", &TenantSpec { suspended: true, ..TenantSpec::default() }).await.unwrap();
    closed(session).await;
    let refused = open(&relay, &key).await.unwrap_err();
    assert_eq!((refused.reason, refused.status), (Reason::Suspended, 403));
    relay.put("tenants/acme", &TenantSpec::default()).await.unwrap();
    open(&relay, &key).await.unwrap();
}

#[tokio::test]
async fn shutdown_ends_sessions_and_keys_survive_it() {
    let relay = start().await;
    let key = relay.agent_with_key("alice").await;
    let session = open(&relay, &key).await.unwrap();
    let relay = relay.restart().await;
    closed(session).await;
    open(&relay, &key).await.unwrap();
}
