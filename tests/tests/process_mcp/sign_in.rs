//! Signs in from end to end: clients that know nothing but the endpoint's URL, the relay's
//! authorization server, and a person with an invitation.

use std::process::Stdio;

use devtools::claude_code::{ClaudeCode, Endpoint as Server, ensure_connected};
use devtools::command::isolated;
use devtools::free_port::free_port;
use devtools::repository;
use msg2agent_tests::browser::{Browser, Decision};
use msg2agent_tests::mcp_clients::McpClients;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::endpoint::{Endpoint, SignIn};
use crate::proxy::Proxy;

const CLAUDES_DOCUMENT: &str = "https://claude.ai/oauth/claude-code-client-metadata";

async fn endpoint() -> Endpoint {
    let port = free_port().unwrap();
    Endpoint::start_with_sign_in(SignIn { port, relay_port: port }).await
}

/// A user of Claude Code who has given it the URL and nothing else.
async fn claude(endpoint: &Endpoint) -> ClaudeCode {
    let claude = ClaudeCode::new().await.unwrap();
    claude.add("m2a", &Server::SignIn { url: endpoint.url() }).unwrap();
    let listing = claude.list().await.unwrap();
    assert!(listing.contains("Needs authentication"), "{listing}");
    claude
}

/// Signs in as a person with an invitation does; returns the URL that Claude Code had printed.
async fn sign_in(claude: &ClaudeCode, endpoint: &Endpoint) -> String {
    let invitation = endpoint.invitation().await;
    let mut opened = String::new();
    let said = claude
        .login("m2a", async |url| {
            let mut browser = Browser::new()?;
            let callback = browser.decide(&url, &invitation, Decision::Allow).await?;
            opened = url;
            anyhow::ensure!(browser.visit(&callback).await?.is_success(), "the callback failed");
            Ok(())
        })
        .await
        .unwrap();
    assert!(said.contains("Authenticated with"), "{said}");
    opened
}

/// The credentials that Claude Code keeps for the one server it has signed in to.
fn kept(claude: &ClaudeCode) -> Value {
    let text = std::fs::read_to_string(claude.credentials_file()).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn change_kept(claude: &ClaudeCode, change: impl Fn(&mut Value)) {
    let mut credentials = kept(claude);
    for server in credentials["mcpOAuth"].as_object_mut().unwrap().values_mut() {
        change(server);
    }
    std::fs::write(claude.credentials_file(), credentials.to_string()).unwrap();
}

fn access_token(claude: &ClaudeCode) -> String {
    let credentials = kept(claude);
    let server = credentials["mcpOAuth"].as_object().unwrap().values().next().unwrap();
    server["accessToken"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn claude_code_signs_in_with_its_own_document_refreshes_and_signs_out() {
    let endpoint = endpoint().await;
    let claude = claude(&endpoint).await;
    let url = sign_in(&claude, &endpoint).await;
    let document: String = reqwest::Url::parse("http://form.test/")
        .map(|mut form| {
            form.query_pairs_mut().append_pair("client_id", CLAUDES_DOCUMENT);
            form.query().unwrap().to_owned()
        })
        .unwrap();
    assert!(url.contains(&document), "{url}");
    ensure_connected(&claude.list().await.unwrap(), "m2a").unwrap();
    let result = claude.call("m2a", "get_self_info", json!({})).await.unwrap();
    assert!(result["content"].as_str().unwrap().contains("did:wba:relay.test:agent:acme:alice"), "{result}");

    // As if the ten minutes of the access token were over.
    let first = access_token(&claude);
    change_kept(&claude, |server| server["expiresAt"] = json!(1));
    ensure_connected(&claude.list().await.unwrap(), "m2a").unwrap();
    assert_ne!(access_token(&claude), first, "nothing was refreshed");

    claude.logout("m2a").await.unwrap();
    let listing = claude.list().await.unwrap();
    assert!(listing.contains("Needs authentication"), "{listing}");
    let metrics = endpoint.relay.metrics().await.unwrap();
    let revoked = r#"msg2agent_relay_oauth_requests_total{endpoint="revoke",outcome="ok"}"#;
    assert!(metrics.contains(revoked), "{metrics}");
}

#[tokio::test]
async fn claude_code_registers_where_documents_are_not_known() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sign_in_at = SignIn { port: listener.local_addr().unwrap().port(), relay_port: free_port().unwrap() };
    let base = format!("http://127.0.0.1:{}", sign_in_at.relay_port);
    let _proxy = Proxy::without("client_id_metadata_document_supported", listener, &base);
    let endpoint = Endpoint::start_with_sign_in(sign_in_at).await;
    let claude = claude(&endpoint).await;
    let url = sign_in(&claude, &endpoint).await;
    assert!(!url.contains("claude.ai"), "{url}");
    let metrics = endpoint.relay.metrics().await.unwrap();
    let registered = r#"msg2agent_relay_oauth_requests_total{endpoint="register",outcome="ok"} 1"#;
    assert!(metrics.contains(registered), "{metrics}");
    ensure_connected(&claude.list().await.unwrap(), "m2a").unwrap();
}

#[tokio::test]
async fn a_person_who_says_no_lets_nobody_in() {
    let endpoint = endpoint().await;
    let claude = claude(&endpoint).await;
    let invitation = endpoint.invitation().await;
    let refused = claude
        .login("m2a", async |url| {
            let mut browser = Browser::new()?;
            let callback = browser.decide(&url, &invitation, Decision::Deny).await?;
            browser.visit(&callback).await.map(drop)
        })
        .await
        .unwrap_err();
    assert!(format!("{refused:#}").contains("access_denied"), "{refused:#}");
    assert!(claude.list().await.unwrap().contains("Needs authentication"));
}

#[tokio::test]
async fn the_python_client_signs_in_and_refreshes() {
    let (clients, endpoint) = (McpClients::installed().await.unwrap(), endpoint().await);
    let mut python = Command::from(isolated(clients.python_program()))
        .arg(repository().join("tests/mcp-clients/sign_in.py"))
        .arg(endpoint.url())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut screen = BufReader::new(python.stdout.take().unwrap());
    let mut line = String::new();
    screen.read_line(&mut line).await.unwrap();
    let url = line.trim().strip_prefix("open ").unwrap();
    let mut browser = Browser::new().unwrap();
    let callback = browser.decide(url, &endpoint.invitation().await, Decision::Allow).await.unwrap();
    python.stdin.take().unwrap().write_all(format!("{callback}\n").as_bytes()).await.unwrap();
    let mut rest = String::new();
    screen.read_to_string(&mut rest).await.unwrap();
    assert!(python.wait().await.unwrap().success());
    let saw: Value = serde_json::from_str(rest.trim()).unwrap();
    let expected = json!({
        "name": "alice", "registered": true, "scope": "mcp:read mcp:send mcp:tasks", "total": 0, "refreshed": true,
    });
    assert_eq!(saw, expected);
}
