//! Registration of clients: what is taken, what is not, and how much of it.

use reqwest::{StatusCode, header};
use serde_json::{Value, json};

use super::person::*;
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
async fn an_address_that_registers_without_end_is_told_to_wait() {
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
