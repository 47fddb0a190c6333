//! Signs in as an MCP client does: from the endpoint's challenge to tokens (RFC 9728, 8414, 7591,
//! 7636, 8707).

use anyhow::{Context as _, ensure};
use protocol::base64url;
use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{Response, StatusCode, Url};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const REDIRECT: &str = "http://127.0.0.1:41999/callback";
const STATE: &str = "as-it-was-sent";

/// A client that has registered itself.
pub struct OauthClient {
    http: reqwest::Client,
    endpoint: String,
    metadata: Value,
    client_id: String,
    verifier: String,
}

/// The answer to a token request.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl OauthClient {
    /// Asks the endpoint where to sign in, and registers there.
    ///
    /// # Errors
    /// A step does not answer as its RFC says.
    pub async fn register(http: reqwest::Client, endpoint: &str) -> anyhow::Result<Self> {
        let refused = http.post(endpoint).json(&json!({})).send().await.context("ask the endpoint")?;
        ensure!(refused.status() == StatusCode::UNAUTHORIZED, "without a token: {}", refused.status());
        let resource = get(&http, &challenge(&refused)?).await.context("read the resource's metadata")?;
        let named = text(&resource, "resource")?;
        ensure!(named == endpoint, "the metadata is for {named}");
        let issuer = resource.pointer("/authorization_servers/0").and_then(Value::as_str);
        let issuer = issuer.context("read the issuer")?;
        Self::register_at(http, issuer, endpoint).await
    }

    /// Registers at an authorization server, for an endpoint that is not asked.
    ///
    /// # Errors
    /// A step does not answer as its RFC says.
    pub async fn register_at(http: reqwest::Client, issuer: &str, endpoint: &str) -> anyhow::Result<Self> {
        let metadata = get(&http, &format!("{issuer}/.well-known/oauth-authorization-server")).await?;
        let named = text(&metadata, "issuer")?;
        ensure!(named == issuer, "{issuer} calls itself {named}");
        let body =
            json!({"client_name": "test", "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"});
        let registered = http.post(text(&metadata, "registration_endpoint")?).json(&body).send().await?;
        let client_id = text(&registered.json().await?, "client_id")?.to_owned();
        let verifier = base64url::encode(&rand::random::<[u8; 32]>());
        Ok(Self { http, endpoint: endpoint.to_owned(), metadata, client_id, verifier })
    }

    /// The URL that is opened in a browser.
    ///
    /// # Errors
    /// The metadata names no authorization endpoint.
    pub fn authorization_url(&self) -> anyhow::Result<String> {
        let mut url = Url::parse(text(&self.metadata, "authorization_endpoint")?)?;
        let challenge = base64url::encode(&Sha256::digest(&self.verifier));
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", REDIRECT),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("resource", &self.endpoint),
            ("state", STATE),
        ]);
        Ok(url.into())
    }

    /// Takes the code of the callback to the token endpoint.
    ///
    /// # Errors
    /// The callback is not for this client, or there is no answer.
    pub async fn exchange(&self, callback: &str) -> anyhow::Result<Answer> {
        let url = Url::parse(callback)?;
        let find = |name: &str| url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value);
        ensure!(callback.starts_with(REDIRECT), "the browser is sent to {callback}");
        ensure!(find("state").as_deref() == Some(STATE), "another state: {callback}");
        let issuer = text(&self.metadata, "issuer")?;
        ensure!(find("iss").as_deref() == Some(issuer), "another issuer: {callback}");
        let code = find("code").with_context(|| format!("no code in {callback}"))?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", &self.verifier),
        ];
        self.token(&fields).await
    }

    /// # Errors
    /// There is no answer.
    pub async fn refresh(&self, refresh_token: &str) -> anyhow::Result<Answer> {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// Lists the tools with a token.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn list_tools(&self, access_token: &str) -> anyhow::Result<Answer> {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {}});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}});
        let request = self.http.post(&self.endpoint).bearer_auth(access_token).json(&body);
        let request = request
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/list");
        answer(request.send().await?).await
    }

    async fn token(&self, fields: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let mut form = Url::parse("http://form.test")?;
        let own = [("client_id", self.client_id.as_str()), ("resource", &self.endpoint)];
        form.query_pairs_mut().extend_pairs(fields.iter().chain(&own));
        let request = self.http.post(text(&self.metadata, "token_endpoint")?);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        answer(request.body(form.query().unwrap_or_default().to_owned()).send().await?).await
    }
}

impl Answer {
    /// A text of the answer.
    ///
    /// # Errors
    /// It is not there; the error shows what is.
    pub fn text(&self, name: &str) -> anyhow::Result<&str> {
        text(&self.body, name).with_context(|| self.status.to_string())
    }
}

async fn answer(response: Response) -> anyhow::Result<Answer> {
    let status = response.status();
    let text = response.text().await?;
    Ok(Answer { status, body: serde_json::from_str(&text).with_context(|| format!("{status}: {text}"))? })
}

async fn get(http: &reqwest::Client, url: &str) -> anyhow::Result<Value> {
    Ok(http.get(url).send().await?.error_for_status()?.json().await?)
}

fn text<'a>(value: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    value.get(name).and_then(Value::as_str).with_context(|| format!("no {name} in {value}"))
}

/// `resource_metadata` of the challenge (RFC 9728 section 5.1).
fn challenge(refused: &Response) -> anyhow::Result<String> {
    let header = refused.headers().get(WWW_AUTHENTICATE).context("the 401 has no challenge")?.to_str()?;
    let (_, rest) = header.split_once("resource_metadata=\"").with_context(|| header.to_owned())?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}
