//! Sign-ins with a misbehaving provider: keys that change, endless responses, responses that never
//! arrive.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use daemon::token_file::{TOKEN_FILE_BYTES_MAX, TokenFileError};
use document_fetcher::test_proxy::TestProxy;
use ed25519_dalek::{Signer as _, SigningKey};
use protocol::base64url;
use serde_json::{Value, json};

use super::*;

const NONCE: &str = "n";

/// A provider that rotates its signing key.
#[derive(Clone)]
struct Rotating(Arc<Inner>);

struct Inner {
    issuer: String,
    /// The number of the only key, which signs and is published.
    key: AtomicUsize,
    /// How often its keys were fetched.
    key_fetches: AtomicUsize,
}

impl Rotating {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let this =
            Self(Arc::new(Inner { issuer, key: AtomicUsize::new(1), key_fetches: AtomicUsize::new(0) }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        this
    }

    fn rotate(&self) {
        self.0.key.fetch_add(1, Ordering::SeqCst);
    }

    fn key_fetches(&self) -> usize {
        self.0.key_fetches.load(Ordering::SeqCst)
    }

    fn key(&self) -> (String, SigningKey) {
        let number = self.0.key.load(Ordering::SeqCst);
        (number.to_string(), SigningKey::from_bytes(&[u8::try_from(number).unwrap(); 32]))
    }
}

async fn configuration(State(Rotating(inner)): State<Rotating>) -> Json<Value> {
    Json(metadata(&inner.issuer))
}

fn metadata(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
    })
}

async fn jwks(State(provider): State<Rotating>) -> Json<Value> {
    provider.0.key_fetches.fetch_add(1, Ordering::SeqCst);
    let (kid, key) = provider.key();
    let x = base64url::encode(key.verifying_key().as_bytes());
    Json(json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x}]}))
}

async fn token(State(provider): State<Rotating>) -> Json<Value> {
    let (kid, key) = provider.key();
    let claims =
        json!({"iss": provider.0.issuer, "aud": "c", "sub": "s", "iat": 0, "exp": 100_000, "nonce": NONCE});
    let part = |value: Value| base64url::encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(json!({"alg": "EdDSA", "kid": kid})), part(claims));
    let signature = base64url::encode(&key.sign(signed.as_bytes()).to_bytes());
    Json(json!({"access_token": "x", "token_type": "Bearer", "id_token": format!("{signed}.{signature}")}))
}

fn client_of(issuer: &str, folder: &std::path::Path) -> Provider {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client_secret_file = folder.join("secret");
    std::fs::write(&client_secret_file, "secret").unwrap();
    let (name, client_id) = ("Test".into(), "c".into());
    let settings = ProviderSettings { issuer: issuer.into(), name, client_id, client_secret_file };
    Provider::new(settings, &"https://relay.example".parse().unwrap(), None).unwrap()
}

#[tokio::test]
async fn a_key_that_the_provider_has_just_taken_up_is_fetched_but_not_more_than_once_a_minute() {
    let (rotating, folder) = (Rotating::start().await, tempfile::tempdir().unwrap());
    let provider = client_of(&rotating.0.issuer, folder.path());
    let finish =
        async |now| provider.finish("code", "verifier-verifier-verifier-verifier-verifier", NONCE, now).await;
    assert_eq!(finish(1000).await.unwrap().subject, "s");
    rotating.rotate();
    let early = finish(1059).await.unwrap_err();
    assert!(matches!(early, ProviderError::VerifyIdToken(id_token::IdTokenError::UnknownKey)), "{early:?}");
    assert_eq!(rotating.key_fetches(), 1);
    assert_eq!(finish(1060).await.unwrap().subject, "s");
    assert_eq!(rotating.key_fetches(), 2);
}

#[tokio::test]
async fn a_file_that_is_too_long_is_no_client_secret() {
    let (rotating, folder) = (Rotating::start().await, tempfile::tempdir().unwrap());
    let provider = client_of(&rotating.0.issuer, folder.path());
    std::fs::write(folder.path().join("secret"), "x".repeat(TOKEN_FILE_BYTES_MAX + 1)).unwrap();
    let refused = provider.finish("code", "verifier", NONCE, 1000).await.unwrap_err();
    assert!(matches!(refused, ProviderError::ReadSecret(TokenFileError::NoToken(_))), "{refused:?}");
}

/// A server that sends this response to every request; returns its issuer.
async fn answering(answer: fn() -> Response) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(move || async move { answer() });
    tokio::spawn(async move { axum::serve(listener, router).await });
    issuer
}

async fn failure(answer: fn() -> Response) -> ProviderError {
    let folder = tempfile::tempdir().unwrap();
    let issuer = answering(answer).await;
    client_of(&issuer, folder.path()).start(0).await.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn an_endless_response_is_aborted() {
    let endless =
        || Body::from_stream(futures::stream::repeat(Ok::<_, Infallible>("more and more"))).into_response();
    let refused = failure(endless).await;
    assert!(matches!(refused, ProviderError::TooLong(_)), "{refused:?}");
}

#[tokio::test]
async fn a_missing_response_times_out() {
    let silent = || {
        let never = futures::stream::pending::<Result<&str, Infallible>>();
        Body::from_stream(never).into_response()
    };
    let refused =
        tokio::time::timeout(document_fetcher::OUTBOUND_REQUEST_TIMEOUT * 2, failure(silent)).await.unwrap();
    assert!(matches!(&refused, ProviderError::Send { source, .. } if source.is_timeout()), "{refused:?}");
}

#[tokio::test]
async fn an_invalid_response_is_refused_with_its_reason() {
    let redirect = || axum::response::Redirect::to("http://127.0.0.1:1/").into_response();
    assert!(matches!(failure(redirect).await, ProviderError::Status { status: 303, .. }));
    let page = || "<html>".into_response();
    assert!(matches!(failure(page).await, ProviderError::Parse { .. }));
    let elsewhere = || Json(metadata("https://other.example")).into_response();
    assert!(matches!(failure(elsewhere).await, ProviderError::OtherIssuer { .. }));
}

#[tokio::test]
async fn a_provider_is_reached_by_the_proxy_unless_it_is_excepted() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // Closes each connection, so that the sign-in fails after the proxy was asked.
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    for (except, asked) in [("", true), ("accounts.invalid", false), (".invalid", false)] {
        let proxy = TestProxy::start(port).await;
        let settings = ProviderSettings {
            issuer: "https://accounts.invalid".into(),
            name: "Accounts".into(),
            client_id: "relay".into(),
            client_secret_file: "/nowhere".into(),
        };
        let issuer = "https://relay.example".parse().unwrap();
        let provider = Provider::new(settings, &issuer, Some(&proxy.settings(except))).unwrap();
        assert!(provider.start(0).await.is_err());
        let expected = asked.then(|| "CONNECT accounts.invalid:443 HTTP/1.1".to_owned());
        assert_eq!(proxy.requests(), Vec::from_iter(expected));
    }
}
