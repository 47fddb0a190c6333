//! Sign-in with an OpenID provider: we are its client, by authorization code with PKCE and nonce (OpenID Connect Core 3.1).

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    StandardRevocableToken, StandardTokenResponse, TokenUrl,
};
use protocol::UnixSeconds;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::fetch;
use super::secret::Secret;
use crate::config::ProviderConfig;
use protocol::url::Issuer;

mod discovery;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod id_token;

use discovery::Discovered;
pub(super) use id_token::Identity;

/// How long what the provider published is used without asking again.
const FRESH_SECONDS: u64 = 3600;
/// How often it is asked again because of a key that we do not know.
const REFRESH_MIN_SECONDS: u64 = 60;
/// Bytes of an answer of the provider: Google's key set has 2 KiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a client secret.
const SECRET_BYTES_MAX: usize = 4096;

/// Why nobody could be signed in. The text is for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderError {
    #[error("failed to ask the provider at {url}")]
    Ask { url: String, source: reqwest::Error },
    #[error("the provider answered {status} at {url}")]
    Status { url: String, status: u16 },
    #[error("the provider's answer at {0} is too long")]
    TooLong(String),
    #[error("failed to understand the provider's answer at {url}")]
    Parse { url: String, source: serde_json::Error },
    #[error("the provider's metadata names the issuer {found}, not {wanted}")]
    OtherIssuer { found: String, wanted: String },
    #[error("the provider's metadata has an address that is not secure: {0}")]
    Insecure(String),
    #[error("failed to read the client secret in {}", path.display())]
    ReadSecret { path: PathBuf, source: std::io::Error },
    #[error("the provider did not exchange the code: {0}")]
    Exchange(String),
    #[error("the provider gave no id_token")]
    NoIdToken,
    #[error("the provider's id_token was refused")]
    VerifyIdToken(#[source] id_token::IdTokenError),
}

pub(super) struct Provider {
    config: ProviderConfig,
    /// `<issuer>/oauth/callback`.
    callback: String,
    http: reqwest::Client,
    discovered: Mutex<Option<Arc<Discovered>>>,
}

/// A sign-in that was begun.
pub(super) struct Started {
    /// Where the browser goes.
    pub(super) url: String,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: Zeroizing<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct IdTokenField {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdTokenField {}

type Tokens = StandardTokenResponse<IdTokenField, BasicTokenType>;
type ProviderClient = Client<
    BasicErrorResponse,
    Tokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

impl Provider {
    pub(super) fn new(config: ProviderConfig, issuer: &Issuer) -> reqwest::Result<Self> {
        Ok(Self {
            config,
            callback: issuer.at("/oauth/callback"),
            http: fetch::client_builder(fetch::public_roots()).build()?,
            discovered: Mutex::new(None),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    pub(super) fn issuer(&self) -> &str {
        &self.config.issuer
    }

    pub(super) async fn start(&self, now: UnixSeconds) -> Result<Started, ProviderError> {
        let discovered = self.discovered(now, FRESH_SECONDS).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = Secret::generate("", &mut rand::rng()).reveal().to_owned();
        let client = self.client(&discovered)?;
        let (url, state) = client
            .authorize_url(CsrfToken::new_random)
            .add_scopes(["openid", "email"].map(|scope| Scope::new(scope.to_owned())))
            .add_extra_param("nonce", &nonce)
            .set_pkce_challenge(challenge)
            .url();
        let verifier = Zeroizing::new(verifier.into_secret());
        Ok(Started { url: url.into(), state: state.into_secret(), nonce, verifier })
    }

    /// Whom the provider says the code is for.
    pub(super) async fn finish(
        &self,
        code: &str,
        verifier: &str,
        nonce: &str,
        now: UnixSeconds,
    ) -> Result<Identity, ProviderError> {
        let discovered = self.discovered(now, FRESH_SECONDS).await?;
        let secret = self.client_secret().await?;
        let client = self.client(&discovered)?.set_client_secret(ClientSecret::new(secret.trim().to_owned()));
        let verifier = PkceCodeVerifier::new(verifier.to_owned());
        let tokens =
            exchange(self.http.clone(), client, AuthorizationCode::new(code.to_owned()), verifier).await?;
        let id_token = tokens.extra_fields().id_token.as_deref().ok_or(ProviderError::NoIdToken)?;
        let expected =
            id_token::Expected { issuer: &self.config.issuer, client_id: &self.config.client_id, nonce };
        match id_token::verify(id_token, &discovered.keys, expected, now) {
            Err(id_token::IdTokenError::UnknownKey) => {
                let renewed = self.discovered(now, REFRESH_MIN_SECONDS).await?;
                id_token::verify(id_token, &renewed.keys, expected, now)
            }
            verified => verified,
        }
        .map_err(ProviderError::VerifyIdToken)
    }

    /// What the provider publishes, not older than this.
    async fn discovered(&self, now: UnixSeconds, age: u64) -> Result<Arc<Discovered>, ProviderError> {
        let known = self.discovered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|known| now.saturating_sub(known.at) < age) {
            return Ok(known);
        }
        let found = Arc::new(discovery::discover(&self.http, &self.config.issuer, now).await?);
        *self.discovered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&found));
        Ok(found)
    }

    /// Its addresses were checked when they were discovered.
    fn client(&self, discovered: &Discovered) -> Result<ProviderClient, ProviderError> {
        let insecure = |_| ProviderError::Insecure(self.config.issuer.clone());
        let client: Client<BasicErrorResponse, Tokens, _, _, _> =
            Client::new(ClientId::new(self.config.client_id.clone()));
        Ok(client
            .set_auth_uri(AuthUrl::new(discovered.authorization_endpoint.clone()).map_err(insecure)?)
            .set_token_uri(TokenUrl::new(discovered.token_endpoint.clone()).map_err(insecure)?)
            .set_redirect_uri(RedirectUrl::new(self.callback.clone()).map_err(insecure)?))
    }

    async fn client_secret(&self) -> Result<Zeroizing<String>, ProviderError> {
        let path = &self.config.client_secret_file;
        let failed = |source| ProviderError::ReadSecret { path: path.clone(), source };
        let text = Zeroizing::new(tokio::fs::read_to_string(path).await.map_err(failed)?);
        if text.len() > SECRET_BYTES_MAX {
            return Err(failed(std::io::Error::other("too long")));
        }
        Ok(text)
    }
}

/// Boxed and without borrows: the compiler cannot prove `Send` of the crate's future with lifetimes in it.
fn exchange(
    http: reqwest::Client,
    client: ProviderClient,
    code: AuthorizationCode,
    verifier: PkceCodeVerifier,
) -> BoxFuture<'static, Result<Tokens, ProviderError>> {
    Box::pin(async move {
        let send = move |request: HttpRequest| send(http.clone(), request);
        let request = client.exchange_code(code).set_pkce_verifier(verifier);
        let answer = request.request_async(&send).await;
        answer.map_err(|error| ProviderError::Exchange(exchange_reason(&error)))
    })
}

/// The `oauth2` crate's requests through our own client.
async fn send(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
    let url = request.uri().to_string();
    let (parts, body) = request.into_parts();
    let sent = http.request(parts.method, &url).headers(parts.headers).body(body).send().await;
    let response = sent.map_err(|source| ProviderError::Ask { url: url.clone(), source })?;
    let status = response.status();
    let headers = response.headers().clone();
    let mut answer = http::Response::new(discovery::read(response, &url).await?);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

/// Without the provider's own words, which may repeat the code.
fn exchange_reason(error: &oauth2::RequestTokenError<ProviderError, BasicErrorResponse>) -> String {
    match error {
        oauth2::RequestTokenError::ServerResponse(answer) => answer.error().to_string(),
        oauth2::RequestTokenError::Request(cause) => super::chain(cause),
        oauth2::RequestTokenError::Parse(..) => "the answer is not that of a token endpoint".into(),
        oauth2::RequestTokenError::Other(_) => "the answer is of another kind".into(),
    }
}

#[cfg(test)]
mod tests;
