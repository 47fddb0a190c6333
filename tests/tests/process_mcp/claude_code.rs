//! Connects Claude Code and calls tools, over HTTPS and over stdio.

use devtools::claude_code::{ClaudeCode, Endpoint as Server, ensure_connected};
use devtools::programs;
use msg2agent::Content;
use msg2agent_tests::claude_tool_calls::{Prepared, call_every_tool, mail_and_task};
use serde_json::{Value, json};

use crate::endpoint::Endpoint;

fn over_https(endpoint: &Endpoint) -> Server {
    Server::Http { url: endpoint.url(), key: endpoint.key.reveal().to_owned() }
}

/// The answer of the tool, as the model got it.
fn answer(result: &Value) -> Value {
    serde_json::from_str(result["content"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn claude_code_connects_over_https_and_sends_a_message() {
    let endpoint = Endpoint::start().await;
    let mut claude = ClaudeCode::new().await.unwrap();
    claude.trust(&endpoint.ca).unwrap();
    claude.add("m2a", &over_https(&endpoint)).unwrap();
    ensure_connected(&claude.list().await.unwrap(), "m2a").unwrap();

    let arguments = json!({"to": "bob", "text": "hello from Claude"});
    let result = claude.call("m2a", "send_message", arguments).await.unwrap();
    let answer = answer(&result);
    let arrived = endpoint.bob.inbox().next().await.unwrap();
    assert_eq!(arrived.content(), &Content::text("hello from Claude"));
    assert_eq!(answer["id"], arrived.id().to_string());
    assert_eq!(arrived.from().name(), "alice");
}

#[tokio::test]
async fn claude_code_reads_what_another_agent_wrote() {
    let endpoint = Endpoint::start().await;
    let alice = "did:wba:relay.test:agent:acme:alice".parse().unwrap();
    endpoint.bob.send(&alice, Content::text("for Claude")).await.unwrap();
    let listed = endpoint.newest_message().await;
    let mut claude = ClaudeCode::new().await.unwrap();
    claude.trust(&endpoint.ca).unwrap();
    claude.add("m2a", &over_https(&endpoint)).unwrap();
    let result = claude.call("m2a", "read_message", json!({"id": listed["id"]})).await.unwrap();
    let answer = answer(&result);
    assert_eq!(
        (&answer["untrusted"]["text"], &answer["sender"]["verified"]),
        (&json!("for Claude"), &json!(true))
    );
}

#[tokio::test]
async fn claude_code_does_not_connect_with_another_key_or_without_the_authority() {
    let endpoint = Endpoint::start().await;
    let mut claude = ClaudeCode::new().await.unwrap();
    claude.add("m2a", &over_https(&endpoint)).unwrap();
    let listing = claude.list().await.unwrap();
    assert!(listing.contains("UNABLE_TO_VERIFY_LEAF_SIGNATURE"), "{listing}");

    claude.trust(&endpoint.ca).unwrap();
    let key = format!("sk_live_{}", "A".repeat(43));
    claude.add("m2a", &Server::Http { url: endpoint.url(), key }).unwrap();
    let listing = claude.list().await.unwrap();
    assert!(ensure_connected(&listing, "m2a").is_err(), "{listing}");
}

#[tokio::test]
async fn claude_code_calls_every_tool_over_https() {
    let endpoint = Endpoint::start().await;
    let alice = "did:wba:relay.test:agent:acme:alice".parse().unwrap();
    let (message, from_bob) = mail_and_task(&endpoint.bob, &alice).await.unwrap();
    endpoint.until("list_tasks", json!({}), "/tasks/0").await;
    let given = endpoint.call("submit_task", json!({"to": "bob", "text": "sum 1 2"})).await.unwrap();
    let to_bob = given["task"]["id"].as_str().unwrap().to_owned();

    let mut claude = ClaudeCode::new().await.unwrap();
    claude.trust(&endpoint.ca).unwrap();
    claude.add("m2a", &over_https(&endpoint)).unwrap();
    call_every_tool(&claude, "m2a", &Prepared { message, from_bob, to_bob }).await.unwrap();
    let counted = endpoint.call("message_count", json!({})).await.unwrap();
    assert_eq!(counted["total"], 0, "the message was deleted");
}

#[tokio::test]
async fn claude_code_calls_every_tool_over_stdio() {
    let endpoint = Endpoint::start().await;
    let carol = endpoint.relay.identity("acme", "carol").unwrap();
    let key = endpoint.relay.admin().unwrap().make_agent(&carol).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    devtools::agent_folder::write(folder.path(), &endpoint.relay, &carol, &key).unwrap();
    // Each call of Claude Code is a process of the server; what it keeps is in the folder.
    let state = folder.path().join("state").display().to_string();
    let environment = vec![
        ("MSG2AGENT_DIR".to_owned(), folder.path().display().to_string()),
        ("MSG2AGENT_MCP_STATE_DIR".to_owned(), state),
    ];
    let claude = ClaudeCode::new().await.unwrap();
    let program = programs::path("msg2agent-mcp-server").unwrap();
    claude.add("m2a", &Server::Stdio { program, environment }).unwrap();
    // The first call registers carol, so that bob can find her.
    let given = claude.call("m2a", "submit_task", json!({"to": "bob", "text": "sum 1 2"})).await.unwrap();
    let to_bob = answer(&given)["task"]["id"].as_str().unwrap().to_owned();
    let (message, from_bob) = mail_and_task(&endpoint.bob, carol.did()).await.unwrap();
    // What waits at the relay comes as soon as a process of the server is connected.
    let waited = claude.call("m2a", "list_messages", json!({"wait_seconds": 30})).await.unwrap();
    assert_eq!(answer(&waited)["messages"][0]["id"], message);
    call_every_tool(&claude, "m2a", &Prepared { message, from_bob, to_bob }).await.unwrap();
}

#[tokio::test]
async fn claude_code_starts_the_server_over_stdio() {
    let endpoint = Endpoint::start().await;
    let carol = endpoint.relay.identity("acme", "carol").unwrap();
    let key = endpoint.relay.admin().unwrap().make_agent(&carol).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    devtools::agent_folder::write(folder.path(), &endpoint.relay, &carol, &key).unwrap();

    let claude = ClaudeCode::new().await.unwrap();
    let environment = vec![("MSG2AGENT_DIR".to_owned(), folder.path().display().to_string())];
    let program = programs::path("msg2agent-mcp-server").unwrap();
    claude.add("m2a", &Server::Stdio { program, environment }).unwrap();
    ensure_connected(&claude.list().await.unwrap(), "m2a").unwrap();
    let result =
        claude.call("m2a", "send_message", json!({"to": "bob", "text": "over stdio"})).await.unwrap();
    let arrived = endpoint.bob.inbox().next().await.unwrap();
    assert_eq!(arrived.content(), &Content::text("over stdio"));
    assert_eq!(answer(&result)["id"], arrived.id().to_string());
}
