//! Registration of clients: accepted and refused metadata, and the limits.

use reqwest::{StatusCode, header};
use serde_json::{Value, json};

use super::person::*;
use super::store;
use crate::harness::start;

#[tokio::test]
async fn a_registration_is_answered_201_without_any_null() {
    let relay = start().await;
    let body = json!({"client_name": null, "redirect_uris": [REDIRECT], "scope": null, "logo_uri": "x"});
    let answer = post_json(&relay, "/oauth/register", &body).await;
    assert_eq!(
        (answer.status(), &answer.headers()[header::CACHE_CONTROL]),
        (StatusCode::CREATED, &"no-store".parse().unwrap())
    );
    let registered: Value = answer.json().await.unwrap();
    assert!(registered.as_object().unwrap().values().all(|value| !value.is_null()), "{registered}");
    assert_eq!(registered["redirect_uris"], json!([REDIRECT]));
    assert!(registered["client_id_issued_at"].is_u64());
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_as_the_rfc_says() {
    let relay = start().await;
    for (body, error, reason) in [
        (json!({"redirect_uris": ["http://evil.example/"]}), "invalid_redirect_uri", "redirect_uris"),
        (json!({"redirect_uris": []}), "invalid_redirect_uri", "redirect_uris"),
        (json!({"redirect_uris": "x"}), "invalid_client_metadata", "metadata"),
        (
            json!({"redirect_uris": [REDIRECT], "grant_types": ["client_credentials"]}),
            "invalid_client_metadata",
            "grant_types",
        ),
        (
            json!({"redirect_uris": [REDIRECT], "software_id": "x".repeat(20_000)}),
            "invalid_request",
            "too_large",
        ),
    ] {
        let before = counted(&relay, "register", reason).await;
        let answer = post_json(&relay, "/oauth/register", &body).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert_eq!(answer.json::<Value>().await.unwrap()["error"], error);
        assert!(counted(&relay, "register", reason).await > before, "{reason}");
    }
}

#[tokio::test]
async fn an_address_that_keeps_registering_is_rate_limited() {
    let relay = start().await;
    let body = json!({"redirect_uris": [REDIRECT]});
    let mut refused = None;
    for _ in 0..80 {
        let answer = post_json(&relay, "/oauth/register", &body).await;
        if answer.status() != StatusCode::CREATED {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    assert_eq!(refused.json::<Value>().await.unwrap()["error"], "temporarily_unavailable");
    assert!(counted(&relay, "register", "throttled").await >= 1.0);
}

/// One client less than the limit, registered now.
const FILL: &str = r#"with recursive n(i) as (select 1 union all select i + 1 from n where i < 4999)
    insert into oauth_clients (client_id, metadata, registered)
    select 'filler-' || i, '{"name":"x","redirect_uris":["https://a.example/"]}', unixepoch() from n"#;
const COUNT: &str = "select count(*) from oauth_clients where used is null";

#[tokio::test]
async fn the_last_of_five_thousand_unused_clients_is_taken_and_the_next_only_when_an_old_one_makes_room() {
    let relay = start().await;
    let body = json!({"redirect_uris": [REDIRECT]});
    assert_eq!(store::change(&relay, FILL).await, 4999);
    assert_eq!(post_json(&relay, "/oauth/register", &body).await.status(), StatusCode::CREATED);
    let refused = post_json(&relay, "/oauth/register", &body).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "600");
    assert_eq!(refused.json::<Value>().await.unwrap()["error"], "temporarily_unavailable");
    assert!(counted(&relay, "register", "clients_full").await >= 1.0);

    let age = "update oauth_clients set registered = registered - 601 where client_id = 'filler-7'";
    assert_eq!(store::change(&relay, age).await, 1);
    assert_eq!(post_json(&relay, "/oauth/register", &body).await.status(), StatusCode::CREATED);
    assert_eq!(store::number(&relay, COUNT).await, 5000);
    let oldest = "select count(*) from oauth_clients where client_id = 'filler-7'";
    assert_eq!(store::number(&relay, oldest).await, 0);
}

#[tokio::test]
async fn a_client_with_a_grant_does_not_count_as_unused_and_is_not_deleted() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let connected = connect(&relay).await;
    store::change(&relay, "update oauth_clients set registered = registered - 100000").await;
    assert_eq!(store::change(&relay, FILL).await, 4999);
    let body = json!({"redirect_uris": [REDIRECT]});
    for status in [StatusCode::CREATED, StatusCode::TOO_MANY_REQUESTS] {
        assert_eq!(post_json(&relay, "/oauth/register", &body).await.status(), status);
    }
    assert_eq!(refresh_error(&relay, &connected).await, None);
}
