//! A native MCP client as far as the authorization server sees it: registers, waits on loopback for its code, exchanges it.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Html;
use axum::routing::get;
use protocol::base64url;
use reqwest::Url;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::site::{RESOURCE, Site};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const STATE: &str = "st&te";

type Answer = HashMap<String, String>;

pub(crate) struct Client {
    id: String,
    redirect: String,
    issuer: String,
    answers: mpsc::Receiver<Answer>,
}

impl Client {
    pub(crate) async fn start(site: &Site) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let redirect = format!("http://localhost:{}/callback", listener.local_addr().unwrap().port());
        let (sender, answers) = mpsc::channel(1);
        let router = Router::new().route("/callback", get(callback)).with_state(sender);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let id = register(&site.issuer(), "Claude <Code>", &redirect).await;
        Self { id, redirect, issuer: site.issuer(), answers }
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
            ("resource", RESOURCE),
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
            ("resource", RESOURCE),
        ];
        let request = reqwest::Client::new().post(format!("{}/oauth/token", self.issuer));
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
    let answer = reqwest::Client::new().post(format!("{issuer}/oauth/register")).json(&body).send().await;
    let registered: Value = answer.unwrap().json().await.unwrap();
    registered["client_id"].as_str().unwrap().to_owned()
}

async fn callback(
    State(answers): State<mpsc::Sender<Answer>>,
    Query(answer): Query<Answer>,
) -> Html<&'static str> {
    answers.send(answer).await.unwrap();
    Html(
        "<!doctype html><link rel=icon href='data:,'><title>client</title><p id=arrived>You can close this page.",
    )
}
