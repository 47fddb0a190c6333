//! Runs `m2a doctor mcp` against the product: faults are seeded in a real relay, its authorization
//! server, and a real MCP server. Faults that no part of the product can have, such as a wrong
//! issuer or a wrong clock, are seeded at scripted endpoints
//! (`tests/tests/process_relay/doctor.rs`).

use std::time::Duration;

use devtools::command::isolated;
use devtools::eventually::eventually;
use devtools::free_port::free_port;
use devtools::http_client;
use devtools::programs;
use msg2agent_tests::browser::{Browser, Decision};
use msg2agent_tests::oauth_client::OauthClient;
use protocol::admin::{AgentSpec, TenantSpec};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::endpoint::{Endpoint, SignIn};

/// The MCP server asks again every few seconds after a refusal.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(45);

async fn with_sign_in() -> (Endpoint, SignIn) {
    let port = free_port().unwrap();
    let sign_in = SignIn { port, relay_port: port };
    (Endpoint::start_with_sign_in(sign_in).await, sign_in)
}

/// The report on the endpoint, with this bearer token.
async fn examine(endpoint: &Endpoint, token: &str) -> Value {
    examine_at(&endpoint.url(), token, Some(&endpoint.ca)).await
}

/// The report on a URL.
pub(crate) async fn examine_at(url: &str, token: &str, ca: Option<&str>) -> Value {
    let home = tempfile::tempdir().unwrap();
    let (token_file, ca_file) = (home.path().join("token"), home.path().join("ca.crt"));
    std::fs::write(&token_file, token).unwrap();
    let mut command = Command::from(isolated(programs::path("m2a").unwrap()));
    command.env("MSG2AGENT_HOME", home.path()).args(["--output", "json", "doctor", "mcp", url]);
    command.arg("--token-file").arg(&token_file);
    if let Some(ca) = ca {
        std::fs::write(&ca_file, ca).unwrap();
        command.arg("--ca-file").arg(&ca_file);
    }
    let output = command.output().await.unwrap();
    serde_json::from_slice(&output.stdout).map_err(|e| format!("{e}: {output:?}")).unwrap()
}

/// The faults of a report as step, side and cause.
pub(crate) fn faults(report: &Value) -> Vec<(&str, &str, &str)> {
    let steps = report["steps"].as_array().unwrap().iter();
    let failed = steps.filter(|step| step["verdict"] == "failed");
    failed.map(|step| (text(step, "step"), text(step, "side"), text(step, "cause"))).collect()
}

fn text<'a>(step: &'a Value, name: &str) -> &'a str {
    step[name].as_str().unwrap()
}

/// Waits until the one fault is at this step and side, and its cause says so.
async fn becomes(endpoint: &Endpoint, expected: &[(&str, &str, &str)]) {
    eventually("the doctor names it", NOTICE_TIMEOUT, async || {
        let report = examine(endpoint, endpoint.key.reveal()).await;
        let seen = faults(&report);
        let as_expected = seen.len() == expected.len()
            && seen
                .iter()
                .zip(expected)
                .all(|(seen, wanted)| (seen.0, seen.1) == (wanted.0, wanted.1) && seen.2.contains(wanted.2));
        anyhow::ensure!(as_expected, "{seen:?}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn nothing_is_wrong_with_a_fresh_endpoint() {
    let (endpoint, _) = with_sign_in().await;
    let report = examine(&endpoint, endpoint.key.reveal()).await;
    assert_eq!(report["works"], true, "{report:#}");
}

#[tokio::test]
async fn a_dead_relay_is_missed_as_issuer_and_as_relay() {
    let (mut endpoint, _) = with_sign_in().await;
    endpoint.relay.kill().await.unwrap();
    let expected = [("issuer", "authorization_server", "no answer"), ("call", "relay", "relay_unreachable")];
    becomes(&endpoint, &expected).await;
}

#[tokio::test]
async fn an_issuer_that_is_away_is_not_blamed_on_the_relay() {
    let (port, relay_port) = (free_port().unwrap(), free_port().unwrap());
    let endpoint = Endpoint::start_with_sign_in(SignIn { port, relay_port }).await;
    becomes(&endpoint, &[("issuer", "authorization_server", "no answer")]).await;
}

#[tokio::test]
async fn a_suspended_tenant_is_named_by_the_issuer_and_by_the_relay() {
    let (endpoint, _) = with_sign_in().await;
    let suspended = TenantSpec { suspended: true, ..TenantSpec::default() };
    endpoint.relay.admin().unwrap().put_tenant("acme", &suspended).await.unwrap();
    let expected = [("authorization", "authorization_server", "suspended"), ("call", "relay", "suspended")];
    becomes(&endpoint, &expected).await;
}

#[tokio::test]
async fn a_key_that_was_revoked_at_the_relay_is_named() {
    let endpoint = Endpoint::start().await;
    let alice = endpoint.identity();
    let keyless = AgentSpec {
        root_key: Some(protocol::multikey::encode_ed25519(&alice.root_public())),
        ..AgentSpec::default()
    };
    endpoint.relay.admin().unwrap().put_agent(&alice, &keyless).await.unwrap();
    becomes(&endpoint, &[("call", "relay", "key_unknown")]).await;
}

#[tokio::test]
async fn a_key_that_the_endpoint_does_not_know_ends_at_the_token() {
    let endpoint = Endpoint::start().await;
    let other = protocol::api_key::ApiKey::generate(&mut rand::rng());
    let report = examine(&endpoint, other.reveal()).await;
    let found = faults(&report);
    assert_eq!((found[0].0, found[0].1), ("token", "client"), "{report:#}");
}

#[tokio::test]
async fn a_token_for_another_endpoint_is_named_by_its_audience() {
    let (endpoint, sign_in) = with_sign_in().await;
    let (admin, alice) = (endpoint.relay.admin().unwrap(), endpoint.identity());
    let elsewhere = "http://localhost:9/mcp";
    admin.put_mcp(&alice, elsewhere).await.unwrap();
    let http = http_client::new().unwrap();
    let client = OauthClient::register_at(http, &sign_in.issuer(), elsewhere).await.unwrap();
    let mut browser = Browser::new().unwrap();
    let invitation = endpoint.invitation().await;
    let callback =
        browser.decide(&client.authorization_url().unwrap(), &invitation, Decision::Allow).await.unwrap();
    let tokens = client.exchange(&callback).await.unwrap();
    admin.put_mcp(&alice, &endpoint.url()).await.unwrap();

    let report = examine(&endpoint, tokens.text("access_token").unwrap()).await;
    let found = faults(&report);
    assert_eq!((found[0].0, found[0].1), ("token", "client"), "{report:#}");
    assert!(found[0].2.contains("token_wrong_audience"), "{}", found[0].2);
}

#[tokio::test]
async fn an_expired_certificate_is_the_endpoints() {
    let endpoint = Endpoint::start_expired().await;
    let report = examine(&endpoint, endpoint.key.reveal()).await;
    let found = faults(&report);
    assert_eq!((found[0].0, found[0].1), ("tls", "endpoint"), "{report:#}");
    assert!(found[0].2.contains("expired"), "{}", found[0].2);
    assert_eq!(report["steps"].as_array().unwrap().last().unwrap()["step"], json!("tls"));
}
