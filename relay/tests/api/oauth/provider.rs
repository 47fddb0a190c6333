//! An OpenID provider in this process. It signs everybody in at once, as the configured person.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use authorization::ProviderSettings;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use ed25519_dalek::{Signer as _, SigningKey};
use protocol::base64url;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const CLIENT_ID: &str = "relay-at-provider";
const CLIENT_SECRET: &str = "provider-secret";

#[derive(Clone)]
pub(super) struct TestProvider(Arc<Inner>);

struct Inner {
    issuer: String,
    key: SigningKey,
    /// Claims about the person, which replace the valid ones.
    person: Mutex<Value>,
    /// The parameters of the authorization requests, by code.
    asked: Mutex<HashMap<String, HashMap<String, String>>>,
}

impl TestProvider {
    pub(super) async fn start(person: Value) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let key = SigningKey::from_bytes(&[9; 32]);
        let provider = Self(Arc::new(Inner { issuer, key, person: person.into(), asked: Mutex::default() }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/jwks", get(jwks))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    /// The relay's settings for this provider.
    pub(super) fn settings(&self, folder: &std::path::Path) -> ProviderSettings {
        let client_secret_file = folder.join("provider-secret");
        std::fs::write(&client_secret_file, format!("{CLIENT_SECRET}\n")).unwrap();
        ProviderSettings {
            issuer: self.0.issuer.clone(),
            name: "Test Provider".into(),
            client_id: CLIENT_ID.into(),
            client_secret_file,
        }
    }

    /// Sets the claims of the next sign-ins.
    pub(super) fn set_person(&self, person: Value) {
        *self.0.person.lock().unwrap() = person;
    }
}

async fn configuration(State(provider): State<TestProvider>) -> Json<Value> {
    let issuer = &provider.0.issuer;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
    }))
}

async fn jwks(State(provider): State<TestProvider>) -> Json<Value> {
    let x = base64url::encode(provider.0.key.verifying_key().as_bytes());
    Json(json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "alg": "EdDSA", "x": x}]}))
}

async fn authorize(
    State(provider): State<TestProvider>,
    Query(asked): Query<HashMap<String, String>>,
) -> Redirect {
    assert_eq!(asked["client_id"], CLIENT_ID);
    assert_eq!(asked["code_challenge_method"], "S256");
    assert!(asked["scope"].contains("openid"));
    let mut all = provider.0.asked.lock().unwrap();
    let code = format!("code-{}", all.len());
    let url = format!("{}?code={code}&state={}", asked["redirect_uri"], asked["state"]);
    all.insert(code, asked);
    Redirect::to(&url)
}

async fn token(State(provider): State<TestProvider>, headers: HeaderMap, body: String) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let basic = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let asked = provider.0.asked.lock().unwrap().remove(&form["code"]);
    let Some(asked) = asked.filter(|_| basic.starts_with("Basic ")) else {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    };
    assert_eq!(base64url::encode(&Sha256::digest(&form["code_verifier"])), asked["code_challenge"]);
    let id_token = provider.id_token(&asked["nonce"]);
    Json(json!({"access_token": "x", "token_type": "Bearer", "expires_in": 60, "id_token": id_token}))
        .into_response()
}

impl TestProvider {
    fn id_token(&self, nonce: &str) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({"iss": self.0.issuer, "aud": CLIENT_ID, "sub": "1234", "exp": now + 60, "iat": now, "nonce": nonce});
        let person = self.0.person.lock().unwrap().clone();
        claims.as_object_mut().unwrap().extend(person.as_object().unwrap().clone());
        let part = |value: Value| base64url::encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(json!({"alg": "EdDSA", "kid": "1"})), part(claims));
        let signature = self.0.key.sign(signed.as_bytes());
        format!("{signed}.{}", base64url::encode(&signature.to_bytes()))
    }
}
