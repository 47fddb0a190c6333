//! Refresh tokens that are replaced, reused and stolen.

use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::Value;

use super::person::*;
use super::store;
use crate::harness::{TestRelay, start};

async fn connected(relay: &TestRelay) -> (String, Value) {
    let client_id = register(relay).await;
    let code = Person::new(relay).allow(&client_id).await;
    let (_, tokens) = exchange(relay, &client_id, &code).await;
    (client_id, tokens)
}

fn refresh_token(tokens: &Value) -> &str {
    tokens["refresh_token"].as_str().unwrap()
}

#[tokio::test]
async fn two_refreshes_at_once_both_work() {
    let relay = Arc::new(start().await);
    put_alice(&relay, &[]).await;
    let (client_id, tokens) = connected(&relay).await;
    let old = refresh_token(&tokens);
    let ((first, a), (second, b)) =
        tokio::join!(refresh(&relay, &client_id, old), refresh(&relay, &client_id, old));
    assert_eq!((first, second), (StatusCode::OK, StatusCode::OK));
    for tokens in [a, b] {
        let (status, body) = refresh(&relay, &client_id, refresh_token(&tokens)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
}

#[tokio::test]
async fn a_token_used_more_often_than_its_grace_allows_ends_the_grant() {
    let relay = start().await;
    let key = put_alice(&relay, &[]).await;
    let (client_id, tokens) = connected(&relay).await;
    let mut last = StatusCode::OK;
    for _ in 0..6 {
        last = refresh(&relay, &client_id, refresh_token(&tokens)).await.0;
    }
    assert_eq!(last, StatusCode::BAD_REQUEST);
    assert!(counted(&relay, "token", "refresh_reused").await >= 1.0);
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(introspect(&relay, &key, access).await["active"], false);
}

#[tokio::test]
async fn a_refresh_is_for_its_client_resource_and_scope() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let (client_id, tokens) = connected(&relay).await;
    let other = register(&relay).await;
    let ask = async |client: &str, extra: (&str, &str)| {
        let old = refresh_token(&tokens);
        let form = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", old), extra];
        token(&relay, &form).await.1["error"].as_str().map(str::to_owned)
    };
    assert_eq!(ask(&other, ("x", "y")).await.as_deref(), Some("invalid_grant"));
    assert_eq!(
        ask(&client_id, ("resource", "https://mcp.example/bob")).await.as_deref(),
        Some("invalid_target")
    );
    assert_eq!(ask(&client_id, ("scope", "mcp:tasks")).await.as_deref(), Some("invalid_scope"));
    assert_eq!(ask(&client_id, ("scope", "mcp:read")).await, None);
}

#[tokio::test]
async fn a_token_that_comes_back_half_a_minute_after_it_was_replaced_ends_the_whole_family() {
    let relay = start().await;
    let key = put_alice(&relay, &[]).await;
    let (client_id, tokens) = connected(&relay).await;
    let (_, second) = refresh(&relay, &client_id, refresh_token(&tokens)).await;
    let (status, _) = refresh(&relay, &client_id, refresh_token(&tokens)).await;
    assert_eq!(status, StatusCode::OK, "within its grace");
    store::change(&relay, "update oauth_refresh_tokens set replaced = replaced - 31").await;
    let (status, body) = refresh(&relay, &client_id, refresh_token(&tokens)).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &"invalid_grant".into()));
    let said = body["error_description"].as_str().unwrap();
    assert!(said.contains("its grant and all its tokens are revoked"), "{said}");
    assert!(counted(&relay, "token", "refresh_reused").await >= 1.0);
    let (status, _) = refresh(&relay, &client_id, refresh_token(&second)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "its successor has ended too");
    for tokens in [&tokens, &second] {
        let introspection = introspect(&relay, &key, tokens["access_token"].as_str().unwrap()).await;
        assert_eq!(introspection["active"], false);
    }
}
