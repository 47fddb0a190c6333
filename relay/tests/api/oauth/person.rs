//! A person with a browser, and the client that they connect.

use std::collections::HashMap;

use protocol::admin::{Invitation, InvitationSpec, McpSpec};
use protocol::base64url;
use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::TestRelay;

pub(super) const ISSUER: &str = "http://localhost";
pub(super) const RESOURCE: &str = "https://mcp.example/alice";
pub(super) const REDIRECT: &str = "http://localhost:41234/callback";
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A browser that keeps cookies and does not follow redirects.
pub(super) struct Person<'a> {
    pub(super) relay: &'a TestRelay,
    client: reqwest::Client,
    cookies: HashMap<String, String>,
}

/// Gives alice an MCP endpoint; returns her API key.
pub(super) async fn put_alice(relay: &TestRelay, accounts: &[&str]) -> protocol::api_key::ApiKey {
    let key = relay.agent_with_key("alice").await;
    let accounts = accounts.iter().map(ToString::to_string).collect();
    let mcp = McpSpec { url: RESOURCE.into(), accounts, endpoint: None };
    relay.put("tenants/default/agents/alice/mcp", &mcp).await.unwrap();
    key
}

pub(super) async fn invite(relay: &TestRelay, expires_in_seconds: Option<u64>) -> Invitation {
    let spec = InvitationSpec { agent: "alice".parse().unwrap(), expires_in_seconds };
    relay.admin(Method::POST, "tenants/default/invitations", Some(&spec)).await.unwrap()
}

pub(super) async fn post_json(relay: &TestRelay, path: &str, body: &Value) -> Response {
    relay.client.post(format!("{}{path}", relay.url)).json(body).send().await.unwrap()
}

/// Registers a client with the redirect URI of the tests; returns its id.
pub(super) async fn register(relay: &TestRelay) -> String {
    let body = json!({"client_name": "Claude Code", "redirect_uris": ["http://localhost:1/callback"]});
    let answer = post_json(relay, "/oauth/register", &body).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    answer.json::<Value>().await.unwrap()["client_id"].as_str().unwrap().to_owned()
}

/// The parameters of a valid authorization request with these changes; an empty value removes a
/// parameter.
pub(super) fn request(client_id: &str, changes: &[(&str, &str)]) -> String {
    let challenge = base64url::encode(&Sha256::digest(VERIFIER));
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", REDIRECT),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("scope", "mcp:read mcp:send"),
        ("resource", RESOURCE),
        ("state", "st&te"),
    ];
    pairs.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    pairs.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The parameters that a redirect carries.
pub(super) fn answer_of(response: &Response) -> HashMap<String, String> {
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let location = response.headers()[header::LOCATION].to_str().unwrap();
    url::Url::parse(location).unwrap().query_pairs().into_owned().collect()
}

pub(super) async fn post_form(relay: &TestRelay, path: &str, form: &[(&str, &str)]) -> Response {
    with_form(relay.client.post(format!("{}{path}", relay.url)), form).send().await.unwrap()
}

pub(super) fn with_form(request: reqwest::RequestBuilder, form: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
}

/// The status and body of a token request.
pub(super) async fn token(relay: &TestRelay, form: &[(&str, &str)]) -> (StatusCode, Value) {
    let answer = post_form(relay, "/oauth/token", form).await;
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    (answer.status(), answer.json().await.unwrap())
}

pub(super) async fn exchange(relay: &TestRelay, client_id: &str, code: &str) -> (StatusCode, Value) {
    token(relay, &exchange_form(client_id, code)).await
}

pub(super) fn exchange_form<'a>(client_id: &'a str, code: &'a str) -> [(&'a str, &'a str); 6] {
    [
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("resource", RESOURCE),
    ]
}

pub(super) async fn refresh(relay: &TestRelay, client_id: &str, token_text: &str) -> (StatusCode, Value) {
    token(relay, &[("grant_type", "refresh_token"), ("client_id", client_id), ("refresh_token", token_text)])
        .await
}

/// A client that a person allowed to use alice.
pub(super) struct Connected {
    pub(super) client_id: String,
    pub(super) access: String,
    pub(super) refresh: String,
}

pub(super) async fn connect(relay: &TestRelay) -> Connected {
    let invitation = invite(relay, None).await;
    connect_with(relay, &invitation.code).await
}

/// Connects a client with this invitation.
pub(super) async fn connect_with(relay: &TestRelay, invitation: &str) -> Connected {
    let client_id = register(relay).await;
    let mut person = Person::new(relay);
    let page = person.sign_in(&request(&client_id, &[]), invitation).await;
    let answer = answer_of(&person.decide(&page, "allow").await);
    let (_, tokens) = exchange(relay, &client_id, &answer["code"]).await;
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    Connected { client_id, access: text("access_token"), refresh: text("refresh_token") }
}

/// The error of the client's next refresh.
pub(super) async fn refresh_error(relay: &TestRelay, connected: &Connected) -> Option<String> {
    let (_, body) = refresh(relay, &connected.client_id, &connected.refresh).await;
    body["error"].as_str().map(str::to_owned)
}

/// Introspects an access token with this API key.
pub(super) async fn introspect(relay: &TestRelay, key: &protocol::api_key::ApiKey, token: &str) -> Value {
    let request = relay.client.post(format!("{}/oauth/introspect", relay.url)).bearer_auth(key.reveal());
    let answer = with_form(request, &[("token", token)]).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

/// How often an endpoint had this outcome.
pub(super) async fn counted(relay: &TestRelay, endpoint: &str, outcome: &str) -> f64 {
    let name =
        format!("msg2agent_relay_oauth_requests_total{{endpoint=\"{endpoint}\",outcome=\"{outcome}\"}}");
    relay.metric(&name).await.unwrap_or_default()
}

/// The value of a hidden field.
pub(super) fn field(html: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let rest = html.split_once(&start).ok_or(html).unwrap().1;
    unescape(rest.split_once('"').unwrap().0)
}

pub(super) fn unescape(text: &str) -> String {
    text.replace("&#38;", "&").replace("&#34;", "\"").replace("&#39;", "'").replace("&amp;", "&")
}

impl<'a> Person<'a> {
    pub(super) fn new(relay: &'a TestRelay) -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { relay, client, cookies: HashMap::new() }
    }

    pub(super) async fn get(&mut self, path_and_query: &str) -> Response {
        let request = self.client.get(format!("{}{path_and_query}", self.relay.url));
        self.send(request).await
    }

    pub(super) async fn authorize(&mut self, query: &str) -> Response {
        self.get(&format!("/oauth/authorize?{query}")).await
    }

    pub(super) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Response {
        let request = with_form(self.client.post(format!("{}{path}", self.relay.url)), form);
        self.send(request).await
    }

    pub(super) async fn post_from(&mut self, origin: &str, path: &str, form: &[(&str, &str)]) -> Response {
        let request = with_form(self.client.post(format!("{}{path}", self.relay.url)), form);
        self.send(request.header(header::ORIGIN, origin)).await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Response {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = request.header(header::COOKIE, cookies.join("; ")).send().await.unwrap();
        for set in response.headers().get_all(header::SET_COOKIE) {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }

    /// Follows a redirect of the relay to itself.
    pub(super) async fn follow(&mut self, response: &Response) -> Response {
        let location = response.headers()[header::LOCATION].to_str().unwrap();
        let path = location.strip_prefix(ISSUER).unwrap_or(location).to_owned();
        self.get(&path).await
    }

    /// Types an invitation code into the sign-in page; returns the response.
    pub(super) async fn type_code(&mut self, query: &str, code: &str) -> Response {
        let page = self.authorize(query).await.text().await.unwrap();
        let (request, form) = (field(&page, "request"), field(&page, "form"));
        self.post("/oauth/sign-in/invitation", &[("request", &request), ("form", &form), ("code", code)])
            .await
    }

    /// Signs in with an invitation; returns the consent page.
    pub(super) async fn sign_in(&mut self, query: &str, code: &str) -> String {
        let signed_in = self.type_code(query, code).await;
        assert_eq!(signed_in.status(), StatusCode::SEE_OTHER);
        let page = self.follow(&signed_in).await;
        assert_eq!(page.status(), StatusCode::OK);
        page.text().await.unwrap()
    }

    pub(super) async fn decide(&mut self, consent_page: &str, decision: &str) -> Response {
        self.decide_for(consent_page, decision, None).await
    }

    /// Sends the decision with this agent, if the form has one.
    pub(super) async fn decide_for(
        &mut self,
        consent_page: &str,
        decision: &str,
        agent: Option<&str>,
    ) -> Response {
        let (request, form) = (field(consent_page, "request"), field(consent_page, "form"));
        let mut fields = vec![("request", request.as_str()), ("form", &form), ("decision", decision)];
        fields.extend(agent.map(|agent| ("agent", agent)));
        self.post("/oauth/consent", &fields).await
    }

    /// Signs in and allows the client; returns its code.
    pub(super) async fn allow(&mut self, client_id: &str) -> String {
        let invitation = invite(self.relay, None).await;
        let page = self.sign_in(&request(client_id, &[]), &invitation.code).await;
        let answer = answer_of(&self.decide(&page, "allow").await);
        answer["code"].clone()
    }
}
