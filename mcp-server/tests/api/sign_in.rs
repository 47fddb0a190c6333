//! Access tokens of an authorization server: how clients find it, what its tokens allow, and each
//! reason why one is rejected.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::routing::get;
use axum::{Json, Router};
use ed25519_dalek::{Signer as _, SigningKey};
use msg2agent_mcp_server::endpoint::bearer::TokenVerifier;
use msg2agent_mcp_server::endpoint::issuer_keys::IssuerKeys;
use msg2agent_mcp_server::endpoint::settings::OauthSettings;
use msg2agent_mcp_server::endpoint::token::ExpectedClaims;
use msg2agent_mcp_server::http::outbound::Outbound;
use protocol::base64url;
use reqwest::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::test_endpoint::{TestEndpoint, send_with_slash};

const AUDIENCE: &str = "https://mcp.example.com/mcp";
const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
const GATEWAY: &str = "https://gateway.example.com/mcp";
const GATEWAY_METADATA: &str = "https://gateway.example.com/.well-known/oauth-protected-resource/mcp";
const AGENT: &str = "did:wba:example.com:agent:acme:alice";

/// An authorization server that publishes one key, and counts how often it is asked.
struct Authority {
    issuer: String,
    asked: Arc<AtomicU64>,
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

impl Authority {
    async fn start() -> Self {
        let asked = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&asked);
        let jwks = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            let x = base64url::encode(key().verifying_key().as_bytes());
            std::future::ready(Json(json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x}]})))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/oauth/jwks", get(jwks));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { issuer, asked }
    }

    fn sign_in(&self) -> (TokenVerifier, OauthSettings) {
        let jwks_url = format!("{}/oauth/jwks", self.issuer);
        let expected = ExpectedClaims {
            issuer: self.issuer.clone(),
            audience: AUDIENCE.into(),
            gateway: Some(GATEWAY.into()),
            agent: AGENT.parse().unwrap(),
        };
        let issuer_keys = IssuerKeys::new(&jwks_url, Outbound::open(std::path::PathBuf::new()).unwrap());
        let oauth = OauthSettings {
            issuer: self.issuer.clone(),
            jwks_url,
            public_url: AUDIENCE.into(),
            gateway_url: Some(GATEWAY.into()),
            ca: std::path::PathBuf::new(),
        };
        let gateway_metadata_url = Some(GATEWAY_METADATA.into());
        let tokens =
            TokenVerifier { expected, metadata_url: METADATA.into(), gateway_metadata_url, issuer_keys };
        (tokens, oauth)
    }

    async fn endpoint(&self) -> TestEndpoint {
        drop(rustls::crypto::ring::default_provider().install_default());
        TestEndpoint::start_with(None, Some(self.sign_in())).await
    }

    fn token(&self, scope: &str) -> String {
        self.token_with("sub", json!("ann"), scope)
    }

    fn token_with(&self, member: &str, value: Value, scope: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": self.issuer, "aud": AUDIENCE, "sub": "ann", "client_id": "c", "exp": now + 600, "iat": now,
            "jti": "1", "agent": AGENT, "scope": scope,
        });
        claims[member] = value;
        sign(&json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"}), &claims)
    }
}

fn sign(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| base64url::encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", encode(header), encode(claims));
    format!("{signed}.{}", base64url::encode(&key().sign(signed.as_bytes()).to_bytes()))
}

fn call(served: &TestEndpoint, tool: &str) -> reqwest::RequestBuilder {
    served.modern("tools/call", Some(tool), json!({"name": tool, "arguments": {}}))
}

async fn reason(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json::<Value>().await.unwrap()["reason"].clone())
}

#[tokio::test]
async fn a_client_without_credential_is_led_to_the_authorization_server() {
    let authority = Authority::start().await;
    let served = authority.endpoint().await;
    let response = call(&served, "get_self_info").send().await.unwrap();
    assert_eq!(response.status(), 401);
    let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.contains(&format!(r#"resource_metadata="{METADATA}""#)), "{challenge}");
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let response = reqwest::get(format!("http://{}{path}", served.address)).await.unwrap();
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        let metadata: Value = response.json().await.unwrap();
        assert_eq!(
            (&metadata["resource"], &metadata["authorization_servers"]),
            (&json!(AUDIENCE), &json!([authority.issuer]))
        );
        assert_eq!(metadata["scopes_supported"], json!(["mcp:read", "mcp:send", "mcp:tasks"]));
    }
}

#[tokio::test]
async fn a_slash_at_the_end_of_the_url_leads_to_the_same_place() {
    let served = Authority::start().await.endpoint().await;
    let response = send_with_slash(call(&served, "get_self_info")).await;
    assert_eq!(response.status(), 401);
    let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.contains(&format!(r#"resource_metadata="{METADATA}""#)), "{challenge}");
    let response = send_with_slash(served.call("get_self_info", &json!({}))).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn the_server_card_says_where_and_in_which_revisions_without_a_credential() {
    let served = Authority::start().await.endpoint().await;
    for path in ["/mcp/server-card", "/.well-known/mcp/server-card.json"] {
        let response = reqwest::get(format!("http://{}{path}", served.address)).await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/mcp-server-card+json");
        let card: Value = response.json().await.unwrap();
        let remote = &card["remotes"][0];
        assert_eq!((&remote["type"], &remote["url"]), (&json!("streamable-http"), &json!(AUDIENCE)));
        assert!(remote["supportedProtocolVersions"].as_array().unwrap().contains(&json!("2026-07-28")));
    }
}

#[tokio::test]
async fn without_an_authorization_server_there_is_no_metadata() {
    let served = TestEndpoint::start().await;
    let url = format!("http://{}/.well-known/oauth-protected-resource", served.address);
    assert_eq!(reqwest::get(url).await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_token_opens_what_its_scopes_allow_and_the_key_opens_all() {
    let authority = Authority::start().await;
    let served = authority.endpoint().await;
    let token = authority.token("mcp:read");
    let allowed = call(&served, "get_self_info").bearer_auth(&token).send().await.unwrap();
    assert_eq!(allowed.status(), 200);
    let denied = call(&served, "delete_message").bearer_auth(&token).send().await.unwrap();
    assert_eq!(denied.status(), 403);
    let challenge = denied.headers()[WWW_AUTHENTICATE].to_str().unwrap().to_owned();
    assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
    assert!(challenge.contains(r#"scope="mcp:read mcp:send""#), "{challenge}");
    let key = call(&served, "list_tasks").bearer_auth(served.key.reveal()).send().await.unwrap();
    assert_eq!(key.status(), 200);
    assert!(served.metrics().contains(r#"msg2agent_mcp_http_refused_total{reason="insufficient_scope"} 1"#));
}

#[tokio::test]
async fn a_client_that_came_through_the_gateway_is_led_back_to_it() {
    let authority = Authority::start().await;
    let served = authority.endpoint().await;
    let token = authority.token_with("aud", json!(GATEWAY), "mcp:read");
    let through = |tool: &str| call(&served, tool).bearer_auth(&token).header("via", "1.1 msg2agent-gateway");
    assert_eq!(through("get_self_info").send().await.unwrap().status(), 200);
    let denied = through("delete_message").send().await.unwrap();
    assert_eq!(denied.status(), 403);
    let challenge = denied.headers()[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.contains(&format!(r#"resource_metadata="{GATEWAY_METADATA}""#)), "{challenge}");
}

#[tokio::test]
async fn resources_of_another_scope_are_neither_listed_nor_read() {
    let authority = Authority::start().await;
    let served = authority.endpoint().await;
    let token = authority.token("mcp:tasks");
    let listed = served.modern("resources/list", None, json!({})).bearer_auth(&token);
    let listed: Value = listed.send().await.unwrap().json().await.unwrap();
    let uris: Vec<_> =
        listed["result"]["resources"].as_array().unwrap().iter().map(|r| r["uri"].clone()).collect();
    assert_eq!(uris, [json!("msg2agent://tasks")]);
    let inbox = served
        .modern("resources/read", Some("msg2agent://inbox"), json!({"uri": "msg2agent://inbox"}))
        .bearer_auth(&token);
    assert_eq!(reason(inbox).await, (403, json!("insufficient_scope")));
}

#[tokio::test]
async fn each_token_that_does_not_open_is_told_why_and_counted() {
    let authority = Authority::start().await;
    let served = authority.endpoint().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let good = authority.token("mcp:read");
    let (body, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{body}.{}", base64url::encode(&[1; 64]));
    let claims = json!({"iss": authority.issuer});
    let other_key = sign(&json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "k2"}), &claims);
    for (token, reason_wanted) in [
        (authority.token_with("exp", json!(now - 120), "mcp:read"), "token_expired"),
        (authority.token_with("iat", json!(now + 3600), "mcp:read"), "token_not_yet_valid"),
        (
            authority.token_with("aud", json!("https://bob.example.com/mcp"), "mcp:read"),
            "token_wrong_audience",
        ),
        (
            authority.token_with("iss", json!(format!("{}/", authority.issuer)), "mcp:read"),
            "token_wrong_issuer",
        ),
        (
            authority.token_with("agent", json!("did:wba:example.com:agent:acme:bob"), "mcp:read"),
            "token_wrong_agent",
        ),
        (forged, "token_bad_signature"),
        (other_key, "token_key_unknown"),
        ("a.b.c".to_owned(), "token_malformed"),
        ("no-token".to_owned(), "key_unknown"),
    ] {
        let response = call(&served, "get_self_info").bearer_auth(&token).send().await.unwrap();
        assert_eq!(response.status(), 401, "{reason_wanted}");
        let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap().to_owned();
        assert!(challenge.contains("invalid_token") && challenge.contains(METADATA), "{challenge}");
        let text = response.text().await.unwrap();
        assert!(text.contains(reason_wanted), "{reason_wanted}: {text}");
        assert!(!text.contains(&token), "{text}");
        let counted = format!(r#"msg2agent_mcp_http_refused_total{{reason="{reason_wanted}"}} 1"#);
        assert!(served.metrics().contains(&counted), "{}", served.metrics());
    }
}

#[tokio::test]
async fn unknown_key_ids_do_not_make_this_server_ask_again_and_again() {
    let authority = Authority::start().await;
    let served = authority.endpoint().await;
    for n in 0..20 {
        let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": format!("made-up-{n}")});
        let request = call(&served, "get_self_info").bearer_auth(sign(&header, &json!({})));
        assert_eq!(reason(request).await, (401, json!("token_key_unknown")));
    }
    assert_eq!(authority.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_authorization_server_that_is_away_is_no_reason_to_sign_in_anew() {
    let mut authority = Authority::start().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    authority.issuer = format!("http://{free}");
    let served = authority.endpoint().await;
    let response =
        call(&served, "get_self_info").bearer_auth(authority.token("mcp:read")).send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(response.json::<Value>().await.unwrap()["reason"], "issuer_unreachable");
}

#[tokio::test]
async fn a_session_opens_for_the_one_who_made_it_and_for_nobody_else() {
    let authority = Authority::start().await;
    let served = authority.endpoint().await;
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
    }});
    let ann = authority.token("mcp:read");
    let made = served.post(&hello).bearer_auth(&ann).send().await.unwrap();
    let session = made.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let ping = || {
        let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
        served.post(&ping).header("mcp-session-id", &session).header("mcp-protocol-version", "2025-11-25")
    };
    assert_eq!(ping().bearer_auth(&ann).send().await.unwrap().status(), 200);
    let ben = authority.token_with("sub", json!("ben"), "mcp:read");
    assert_eq!(reason(ping().bearer_auth(&ben)).await, (404, json!("foreign_session")));
    assert_eq!(reason(ping().bearer_auth(served.key.reveal())).await, (404, json!("foreign_session")));
    // A session that its owner ended is gone for everybody.
    let end = reqwest::Client::new().delete(served.url()).header("mcp-session-id", &session);
    assert!(end.bearer_auth(&ann).send().await.unwrap().status().is_success());
    assert_eq!(reason(ping().bearer_auth(&ann)).await, (404, json!("unknown_session")));
}
