//! The successful flow, from registration to a refreshed token.

use protocol::base64url;
use reqwest::{StatusCode, header};
use serde_json::{Value, json};

use super::person::*;
use crate::harness::start;

#[tokio::test]
async fn a_client_that_registers_gets_tokens_from_a_person_with_an_invitation() {
    let relay = start().await;
    let key = put_alice(&relay, &[]).await;
    let client_id = register(&relay).await;
    let invitation = invite(&relay, None).await;
    let mut person = Person::new(&relay);
    let page = person.sign_in(&request(&client_id, &[]), &invitation.code).await;
    for text in [
        "Claude Code",
        "localhost",
        "did:wba:localhost:agent:alice",
        RESOURCE,
        "Any program here could have asked",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    assert!(page.contains("Send and delete messages") && !page.contains("Give tasks"), "{page}");

    let answer = answer_of(&person.decide(&page, "allow").await);
    assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("st&te", ISSUER));
    let (status, tokens) = exchange(&relay, &client_id, &answer["code"]).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 600);
    assert_eq!(tokens["scope"], "mcp:read mcp:send");

    let access = tokens["access_token"].as_str().unwrap();
    let introspection = introspect(&relay, &key, access).await;
    assert_eq!(introspection["active"], true);
    assert_eq!(introspection["aud"], RESOURCE);
    let (status, next) = refresh(&relay, &client_id, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{next}");
    assert_ne!(next["refresh_token"], tokens["refresh_token"]);
    assert!(counted(&relay, "token", "ok").await >= 2.0);
}

#[tokio::test]
async fn an_access_token_says_what_the_resource_server_checks() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let client_id = register(&relay).await;
    let code = Person::new(&relay).allow(&client_id).await;
    let (_, tokens) = exchange(&relay, &client_id, &code).await;
    let access = tokens["access_token"].as_str().unwrap();
    let part = |index: usize| -> Value {
        let text = access.split('.').nth(index).unwrap();
        serde_json::from_slice(&base64url::decode(text).unwrap()).unwrap()
    };
    let jwks: Value =
        relay.client.get(format!("{}/oauth/jwks", relay.url)).send().await.unwrap().json().await.unwrap();
    let jwk = &jwks["keys"][0];
    assert_eq!(part(0), json!({"alg": "EdDSA", "typ": "at+jwt", "kid": jwk["kid"]}));
    assert_eq!(
        (jwk["kty"].as_str(), jwk["crv"].as_str(), &jwk["d"]),
        (Some("OKP"), Some("Ed25519"), &Value::Null)
    );
    let public = base64url::decode_array(jwk["x"].as_str().unwrap()).unwrap();
    let public = ed25519_dalek::VerifyingKey::from_bytes(&public).unwrap();
    let (signed, signature) = access.rsplit_once('.').unwrap();
    let signature = base64url::decode_array(signature).unwrap();
    public.verify_strict(signed.as_bytes(), &ed25519_dalek::Signature::from_bytes(&signature)).unwrap();

    let claims = part(1);
    for (claim, value) in [
        ("iss", ISSUER),
        ("aud", RESOURCE),
        ("client_id", &client_id),
        ("scope", "mcp:read mcp:send"),
        ("agent", "did:wba:localhost:agent:alice"),
    ] {
        assert_eq!(claims[claim], value, "{claims}");
    }
    assert!(claims["sub"].as_str().unwrap().starts_with("acct_"), "{claims}");
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);
    let members = ["iss", "aud", "sub", "client_id", "scope", "agent", "jti", "iat", "exp"];
    assert_eq!(claims.as_object().unwrap().len(), members.len());
}

#[tokio::test]
async fn tokens_and_clients_outlive_a_restart() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let client_id = register(&relay).await;
    let code = Person::new(&relay).allow(&client_id).await;
    let (_, tokens) = exchange(&relay, &client_id, &code).await;
    let relay = relay.restart().await;
    let (status, next) = refresh(&relay, &client_id, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{next}");
    let page = Person::new(&relay).authorize(&request(&client_id, &[])).await;
    assert_eq!(page.status(), StatusCode::OK);
}

#[tokio::test]
async fn claude_code_is_known_by_the_url_of_its_document() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let claude = "https://claude.ai/oauth/claude-code-client-metadata";
    let code = Person::new(&relay).allow(claude).await;
    let (status, tokens) = exchange(&relay, claude, &code).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
}

#[tokio::test]
async fn pages_are_framed_by_nobody_and_run_nothing() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let client_id = register(&relay).await;
    let mut person = Person::new(&relay);
    let sign_in = person.authorize(&request(&client_id, &[])).await;
    let policy = |page: &reqwest::Response| {
        page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
    };
    assert!(policy(&sign_in).ends_with("form-action 'self'"), "{}", policy(&sign_in));
    let invitation = invite(&relay, None).await;
    let signed_in = person.type_code(&request(&client_id, &[]), &invitation.code).await;
    let consent = person.follow(&signed_in).await;
    // The response redirects to the client, and from there to any URL of the client.
    assert!(!policy(&consent).contains("form-action"), "{}", policy(&consent));
    for page in [&sign_in, &consent] {
        let policy = policy(page);
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(page.headers()[header::X_FRAME_OPTIONS], "DENY");
    }
}
