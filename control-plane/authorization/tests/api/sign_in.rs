//! From an invitation to an access token, and what introspection says about it.

use protocol::admin::InvitationSpec;
use protocol::base64url;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::browser::{Browser, location};
use crate::fake_relay::{ALICE, API_KEY, ENDPOINT, RESOURCE, TENANT};
use crate::server::{GATEWAY, GATEWAY_TOKEN, TestServer, encode};

const REDIRECT_URI: &str = "http://localhost:41234/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The tokens of a client, and its id.
struct Tokens {
    client_id: String,
    access: String,
    refresh: String,
}

async fn invite(server: &TestServer) -> String {
    let spec = InvitationSpec { agent: "alice".parse().unwrap(), expires_in_seconds: None };
    server.server.invitations().create(&TENANT.parse().unwrap(), spec).await.unwrap().code
}

async fn register(server: &TestServer) -> String {
    let body = json!({"client_name": "Claude Code", "redirect_uris": ["http://localhost:1/callback"]});
    let response = server.client.post(format!("{}/oauth/register", server.url)).json(&body).send().await;
    response.unwrap().json::<Value>().await.unwrap()["client_id"].as_str().unwrap().to_owned()
}

/// Registers a client, signs a person in with an invitation, allows the client, and exchanges the
/// code.
async fn connect(server: &TestServer, resource: &str) -> Tokens {
    let client_id = register(server).await;
    let challenge = base64url::encode(&Sha256::digest(VERIFIER));
    let request = encode(&[
        ("response_type", "code"),
        ("client_id", &client_id),
        ("redirect_uri", REDIRECT_URI),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("scope", "mcp:read"),
        ("resource", resource),
    ]);
    let mut browser = Browser::new(server);
    let sign_in = browser.get(&format!("/oauth/authorize?{request}")).await.text().await.unwrap();
    let invitation = invite(server).await;
    let signed_in = browser.submit("/oauth/sign-in/invitation", &sign_in, &[("code", &invitation)]).await;
    assert_eq!(signed_in.status(), StatusCode::SEE_OTHER);
    let consent = browser.follow(&signed_in).await.text().await.unwrap();
    assert!(consent.contains("Alice of Acme") && consent.contains(ALICE), "{consent}");
    let decision = [("decision", "allow"), ("agent", ALICE)];
    let allowed = browser.submit("/oauth/consent", &consent, &decision).await;
    let redirect = url::Url::parse(location(&allowed)).unwrap();
    let code = redirect.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client_id.as_str()),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let tokens: Value = server.post_form("/oauth/token", &form, None).await.json().await.unwrap();
    let text = |name: &str| tokens[name].as_str().unwrap_or_else(|| panic!("{tokens}")).to_owned();
    Tokens { access: text("access_token"), refresh: text("refresh_token"), client_id }
}

async fn introspect(server: &TestServer, token: &str, bearer: &str) -> Value {
    let response = server.post_form("/oauth/introspect", &[("token", token)], Some(bearer)).await;
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.unwrap()
}

#[tokio::test]
async fn a_person_with_an_invitation_gives_a_client_a_token_that_the_agent_can_introspect() {
    let server = TestServer::start().await;
    let tokens = connect(&server, RESOURCE).await;
    let active = introspect(&server, &tokens.access, API_KEY).await;
    assert_eq!((&active["active"], &active["aud"]), (&true.into(), &RESOURCE.into()));
    assert_eq!((&active["agent"], &active["scope"]), (&ALICE.into(), &"mcp:read".into()));
    let refused = server.post_form("/oauth/introspect", &[("token", &tokens.access)], Some("guess")).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_suspension_of_the_agent_applies_to_the_next_request() {
    let server = TestServer::start().await;
    let tokens = connect(&server, RESOURCE).await;
    server.relay.suspend(true);
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", tokens.client_id.as_str()),
        ("refresh_token", &tokens.refresh),
    ];
    let refused = server.post_form("/oauth/token", &form, None).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(refused.json::<Value>().await.unwrap()["error"], "invalid_grant");
    server.relay.suspend(false);
    assert_eq!(introspect(&server, &tokens.access, API_KEY).await["active"], true);
    assert_eq!(server.post_form("/oauth/token", &form, None).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_gateway_gets_the_agent_of_a_token_and_of_a_key_or_the_reason_why_not() {
    let server = TestServer::start().await;
    let tokens = connect(&server, GATEWAY).await;
    for credential in [tokens.access.as_str(), API_KEY] {
        let active = introspect(&server, credential, GATEWAY_TOKEN).await;
        assert_eq!((&active["active"], &active["agent"]), (&true.into(), &ALICE.into()), "{active}");
        assert_eq!(active["endpoint"], ENDPOINT);
    }
    let own = connect(&server, RESOURCE).await;
    for (credential, reason) in [
        (own.access.as_str(), "token_wrong_audience"),
        ("guess", "key_unknown"),
        ("a.b.c", "token_malformed"),
    ] {
        let inactive = introspect(&server, credential, GATEWAY_TOKEN).await;
        assert_eq!(inactive, json!({"active": false, "reason": reason}));
    }
    server.relay.suspend(true);
    assert_eq!(introspect(&server, &tokens.access, GATEWAY_TOKEN).await["reason"], "suspended");
}
