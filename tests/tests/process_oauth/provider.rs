//! Serves an OpenID provider with a page, on another site than the relay. A person clicks through
//! it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use protocol::base64url;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

const CLIENT_ID: &str = "relay-at-provider";
/// What the relay proves itself with.
pub(crate) const SECRET: &str = "secret-of-the-relay-at-the-provider";
/// What the relay gets and has no use for.
pub(crate) const ACCESS_TOKEN: &str = "access-token-of-the-provider";
pub(crate) const PERSON: &str = "alice@example.com";

#[derive(Clone)]
pub(crate) struct Provider(Arc<Inner>);

struct Inner {
    issuer: String,
    key: EcdsaKeyPair,
    /// Nonces by code, until the code is exchanged.
    nonces: Mutex<HashMap<String, String>>,
}

type Asked = HashMap<String, String>;

impl Provider {
    pub(crate) async fn start() -> Self {
        // By address: another site than localhost.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let provider = Self(Arc::new(Inner { issuer, key: new_key(), nonces: Mutex::default() }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/jwks", get(jwks))
            .route("/authorize", get(page))
            .route("/continue", get(proceed))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    /// The relay's settings for this provider.
    pub(crate) fn settings(&self, folder: &Path) -> [(&'static str, String); 4] {
        let file = folder.join("provider-secret");
        std::fs::write(&file, SECRET).unwrap();
        [
            ("MSG2AGENT_RELAY_OAUTH_PROVIDER_ISSUER", self.0.issuer.clone()),
            ("MSG2AGENT_RELAY_OAUTH_PROVIDER_NAME", "Test Provider".into()),
            ("MSG2AGENT_RELAY_OAUTH_PROVIDER_CLIENT_ID", CLIENT_ID.into()),
            ("MSG2AGENT_RELAY_OAUTH_PROVIDER_CLIENT_SECRET_FILE", file.display().to_string()),
        ]
    }
}

fn new_key() -> EcdsaKeyPair {
    let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(kind, pkcs8.as_ref(), &random).unwrap()
}

async fn configuration(State(Provider(inner)): State<Provider>) -> Json<Value> {
    let issuer = &inner.issuer;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
    }))
}

async fn jwks(State(Provider(inner)): State<Provider>) -> Json<Value> {
    // 0x04, x and y.
    let (x, y) = inner.key.public_key().as_ref()[1..].split_at(32);
    let (x, y) = (base64url::encode(x), base64url::encode(y));
    Json(json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "1", "alg": "ES256", "x": x, "y": y}]}))
}

/// What the relay asked travels on in a form, as it would through a real provider's sign-in.
async fn page(Query(asked): Query<Asked>) -> Html<String> {
    let hidden = |name: &str| {
        let value = asked[name].replace('&', "&amp;").replace('"', "&quot;");
        format!("<input type=hidden name={name} value=\"{value}\">")
    };
    let hidden = ["redirect_uri", "state", "nonce"].map(hidden).concat();
    Html(format!(
        "<!doctype html><link rel=icon href='data:,'><title>provider</title><form action=/continue>{hidden}<button>Continue as {PERSON}</button></form>"
    ))
}

async fn proceed(State(Provider(inner)): State<Provider>, Query(asked): Query<Asked>) -> Redirect {
    let mut nonces = inner.nonces.lock().unwrap();
    let code = format!("code-{}", nonces.len());
    let url = format!("{}?code={code}&state={}", asked["redirect_uri"], asked["state"]);
    nonces.insert(code, asked["nonce"].clone());
    Redirect::to(&url)
}

async fn token(State(Provider(inner)): State<Provider>, headers: HeaderMap, body: String) -> Response {
    let form = reqwest::Url::parse(&format!("http://form.invalid/?{body}")).unwrap();
    let form: Asked = form.query_pairs().into_owned().collect();
    let nonce = inner.nonces.lock().unwrap().remove(&form["code"]);
    let Some(nonce) = nonce.filter(|_| headers.contains_key("authorization")) else {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    };
    let id_token = inner.id_token(&nonce);
    Json(json!({"access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": id_token})).into_response()
}

impl Inner {
    fn id_token(&self, nonce: &str) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({"iss": self.issuer, "aud": CLIENT_ID, "sub": "1234", "exp": now + 60, "iat": now, "nonce": nonce,
            "email": PERSON, "email_verified": true});
        let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&json!({"alg": "ES256", "kid": "1"})), part(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", base64url::encode(signature.as_ref()))
    }
}
