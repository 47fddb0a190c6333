//! Plays an MCP client at the authorization server: registers, waits for its code, and exchanges
//! it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::get;
use daemon::Shutdown;
use daemon::https::{Listener, ListenerLimits, ListenerMetrics};
use devtools::http_client;
use protocol::base64url;
use reqwest::Url;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::site::{RESOURCE, Site};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const STATE: &str = "st&te";

type Answer = HashMap<String, String>;

pub(crate) struct Client {
    id: String,
    redirect: String,
    issuer: String,
    resource: &'static str,
    answers: mpsc::Receiver<Answer>,
    _shutdown: Shutdown,
}

/// Where answers go, and where the browser goes then, if it does not stay.
#[derive(Clone)]
struct Callback {
    answers: mpsc::Sender<Answer>,
    onward: Option<String>,
}

impl Client {
    /// A native client: listens on loopback.
    pub(crate) async fn start(site: &Site) -> Self {
        let (listener, port) = listen().await;
        Self::register(site, listener, None, format!("http://localhost:{port}/callback"), None).await
    }

    /// A client on the web, which sends its people on to another host.
    pub(crate) async fn on_the_web(site: &Site) -> Self {
        let (listener, port) = listen().await;
        let onward = format!("https://elsewhere.example:{port}/arrived");
        let redirect = format!("https://client.example:{port}/callback");
        Self::register(site, listener, Some(certificate()), redirect, Some(onward)).await
    }

    async fn register(
        site: &Site,
        listener: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        redirect: String,
        onward: Option<String>,
    ) -> Self {
        let (sender, answers) = mpsc::channel(1);
        let state = Callback { answers: sender, onward };
        let router = Router::new()
            .route("/callback", get(callback))
            .route("/arrived", get(async || Html(ARRIVED)))
            .with_state(state);
        let shutdown = Shutdown::new();
        let listener = Listener {
            socket: listener,
            tls,
            router,
            metrics: ListenerMetrics::register(&prometheus::Registry::new(), "client").unwrap(),
            limits: ListenerLimits::new(64),
            connections: TaskTracker::new(),
        };
        tokio::spawn(listener.serve(shutdown.clone(), Duration::ZERO));
        let id = register(&site.issuer(), "Claude <Code>", &redirect).await;
        Self { id, redirect, issuer: site.issuer(), resource: RESOURCE, answers, _shutdown: shutdown }
    }

    /// The same client, connecting to another endpoint.
    pub(crate) fn at(self, resource: &'static str) -> Self {
        Self { resource, ..self }
    }

    /// Where the client sends its person.
    pub(crate) fn authorization_url(&self) -> String {
        let challenge = base64url::encode(&Sha256::digest(VERIFIER));
        let parameters = [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", &self.redirect),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("scope", "mcp:read mcp:send"),
            ("resource", self.resource),
            ("state", STATE),
        ];
        Url::parse_with_params(&format!("{}/oauth/authorize", self.issuer), parameters).unwrap().into()
    }

    pub(crate) fn redirect(&self) -> &str {
        &self.redirect
    }

    /// What the browser brought; with the state and the issuer that the client checks.
    pub(crate) async fn answer(&mut self) -> Answer {
        let answer = self.answers.recv().await.unwrap();
        assert_eq!((answer["state"].as_str(), &answer["iss"]), (STATE, &self.issuer));
        answer
    }

    /// The tokens for a code.
    pub(crate) async fn exchange(&self, code: &str) -> Value {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", &self.id),
            ("code", code),
            ("redirect_uri", &self.redirect),
            ("code_verifier", VERIFIER),
            ("resource", self.resource),
        ];
        let request = http_client::new().unwrap().post(format!("{}/oauth/token", self.issuer));
        let answer = request.header("content-type", FORM).body(form_body(&form)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }
}

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) fn form_body(form: &[(&str, &str)]) -> String {
    Url::parse_with_params("http://form.invalid", form).unwrap().query().unwrap_or_default().to_owned()
}

/// Registers a client; answers its id.
pub(crate) async fn register(issuer: &str, name: &str, redirect: &str) -> String {
    let body =
        json!({"client_name": name, "redirect_uris": [redirect], "token_endpoint_auth_method": "none"});
    let answer =
        http_client::new().unwrap().post(format!("{issuer}/oauth/register")).json(&body).send().await;
    let registered: Value = answer.unwrap().json().await.unwrap();
    registered["client_id"].as_str().unwrap().to_owned()
}

const ARRIVED: &str =
    "<!doctype html><link rel=icon href='data:,'><title>client</title><p id=arrived>You can close this page.";

async fn callback(State(callback): State<Callback>, Query(answer): Query<Answer>) -> Response {
    callback.answers.send(answer).await.unwrap();
    match callback.onward {
        Some(url) => Redirect::to(&url).into_response(),
        None => Html(ARRIVED).into_response(),
    }
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// One that the test's browser takes because it looks at none.
fn certificate() -> Arc<rustls::ServerConfig> {
    let names = ["client.example", "elsewhere.example"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key.into()).unwrap();
    Arc::new(config)
}
