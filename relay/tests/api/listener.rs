//! Tests of the two listeners: probes, limits, metrics.

use std::time::Duration;

use protocol::Reason;
use protocol::admin::Problem;
use protocol::close::CloseCode;
use protocol::quota::QuotaName;
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::agent::Agent;
use crate::harness::{eventually, start, start_with};

#[tokio::test]
async fn readiness_names_every_check() {
    let relay = start().await;
    let answer = eventually("the relay is ready", async || {
        let answer = relay.client.get(format!("{}/readyz", relay.health_url)).send().await.unwrap();
        (answer.status() == 200).then_some(answer)
    })
    .await;
    let body: Value = answer.json().await.unwrap();
    let checks = ["serving", "directory", "mailbox"].map(|name| json!({"name": name, "ok": true}));
    assert_eq!(body, json!({"ready": true, "checks": checks}));
}

#[tokio::test]
async fn probes_and_metrics_have_their_own_listener_or_share_the_administrators() {
    for own in [true, false] {
        let relay = start_with(|config, _| {
            if !own {
                config.health_listen = None;
            }
        })
        .await;
        let status = async |url: String| relay.client.get(url).send().await.unwrap().status().as_u16();
        for path in ["livez", "metrics"] {
            assert_eq!(status(format!("{}/{path}", relay.health_url)).await, 200);
            // Without the token the admin listener does not even say what it serves.
            let expected = if own { 401 } else { 200 };
            assert_eq!(status(format!("{}/{path}", relay.admin_url)).await, expected, "{path}");
        }
        let expected = if own { 404 } else { 401 };
        assert_eq!(status(format!("{}/admin/v1/version", relay.health_url)).await, expected);
    }
}

#[tokio::test]
async fn metrics_show_what_the_directory_holds() {
    let relay = start().await;
    relay.agent_with_key("alice").await;
    for (name, value) in [
        ("msg2agent_relay_directory_entries{kind=\"agent\"}", 1.0),
        ("msg2agent_relay_directory_entries{kind=\"key\"}", 1.0),
        ("msg2agent_relay_directory_entries{kind=\"tenant\"}", 1.0),
        ("msg2agent_relay_directory_version", 2.0),
        ("msg2agent_relay_admin_requests_total{method=\"PUT\",route=\"agent\",status=\"200\"}", 1.0),
    ] {
        assert_eq!(relay.metric(name).await, Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_refusal_before_the_upgrade_has_a_problem_body() {
    let relay = start().await;
    let url = |path: &str| format!("http://{}{path}", relay.address);
    let key = relay.agent_with_key("alice").await;
    let client = &relay.client;
    for (request, status, reason) in [
        (client.get(url("/nothing")), 404, Reason::NotFound),
        (client.get(url("/ws")), 401, Reason::KeyMissing),
        (client.get(url("/ws")).bearer_auth(key.reveal()), 400, Reason::BadRequest),
        (client.post(url("/ws")).bearer_auth(key.reveal()), 405, Reason::MethodNotAllowed),
        (client.post(url("/agent/alice/did.json")), 405, Reason::MethodNotAllowed),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let (found, problem) = (answer.status().as_u16(), answer.json::<Problem>().await.unwrap());
        assert_eq!((found, problem.reason), (status, reason));
    }
}

#[tokio::test]
async fn a_connection_above_the_limit_is_refused_and_counted() {
    let relay = start_with(|config, _| config.limits.connections = 1).await;
    let held = TcpStream::connect(relay.address).await.unwrap();
    eventually("the first is counted", async || {
        relay.metric("msg2agent_relay_connections ").await.filter(|open| *open >= 1.0)
    })
    .await;
    let mut refused = TcpStream::connect(relay.address).await.unwrap();
    let mut answer = String::new();
    refused.read_to_string(&mut answer).await.unwrap();
    let (head, problem) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 "), "{answer:?}");
    let problem: Problem = serde_json::from_str(problem).unwrap();
    let quota = problem.quota.unwrap();
    assert_eq!(
        (problem.reason, quota.name, quota.limit),
        (Reason::Overloaded, QuotaName::ListenerConnections, 1)
    );
    let full = "msg2agent_relay_connections_turned_away_total{cause=\"full\"}";
    assert_eq!(relay.metric(full).await, Some(1.0));

    drop(held);
    eventually("the slot is free again", async || {
        let mut socket = TcpStream::connect(relay.address).await.unwrap();
        socket.write_all(b"GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.ok()?;
        answer.starts_with("HTTP/1.1 404 ").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_request_head_that_is_too_long_is_refused() {
    let relay = start().await;
    let long = "x".repeat(20_000);
    let answer = relay.client.get(&relay.url).header("x-long", long).send().await.unwrap();
    assert_eq!(answer.status(), 431);
}

#[tokio::test]
async fn a_draining_relay_is_not_ready_and_refuses_new_connections() {
    let relay = start_with(|config, _| config.drain_timeout = Duration::from_millis(100)).await;
    let (mut alice, key) = Agent::join(&relay, "alice").await;
    // The message cannot be written before this lock is released, so the drain takes a moment.
    let file = SqliteConnectOptions::new().filename(relay.mailbox_file());
    let mut other = file.connect().await.unwrap();
    sqlx::query("begin immediate").execute(&mut other).await.unwrap();
    let envelope = alice.envelope(&alice.did);
    alice.submit(&envelope).await;
    relay.begin_shutdown();
    let body: Value = eventually("the probe fails", async || {
        let answer = relay.client.get(format!("{}/readyz", relay.health_url)).send().await.unwrap();
        if answer.status() == 503 { answer.json().await.ok() } else { None }
    })
    .await;
    let serving = json!({"name": "serving", "ok": false, "reason": "the relay is shutting down"});
    assert_eq!((&body["ready"], &body["checks"][0]), (&json!(false), &serving));
    assert_eq!(alice.closed().await, CloseCode::Restart.number());
    let refused =
        relay.client.get(format!("{}/ws", relay.url)).bearer_auth(key.reveal()).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));
    assert_eq!(refused.json::<Value>().await.unwrap()["reason"], "draining");
    sqlx::query("rollback").execute(&mut other).await.unwrap();
    relay.stop().await;
}
