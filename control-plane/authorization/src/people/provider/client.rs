//! Signs a person in with the OpenID provider, by authorization code with PKCE and nonce (OpenID
//! Connect Core 3.1).

use std::sync::{Arc, Mutex, PoisonError};

use daemon::error_chain;
use daemon::token_file::TokenFile;
use document_fetcher::OutboundProxy;
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
use protocol::url::Issuer;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::discovery::{self, ProviderMetadata};
use super::error::ProviderError;
use super::id_token::{self, Identity};
use crate::secret::Secret;
use crate::settings::ProviderSettings;

/// How long the provider's metadata and keys are cached.
const METADATA_TTL_SECONDS: u64 = 3600;
/// The shortest time between two fetches because of an unknown signing key.
const MIN_METADATA_INTERVAL_SECONDS: u64 = 60;

/// The OpenID provider of this relay.
pub(crate) struct Provider {
    settings: ProviderSettings,
    /// `<issuer>/oauth/callback`.
    callback: String,
    http: reqwest::Client,
    metadata: Mutex<Option<Arc<ProviderMetadata>>>,
}

/// A sign-in that the browser has to continue at the provider.
pub(crate) struct StartedSignIn {
    /// The provider's URL to redirect the browser to.
    pub(crate) url: String,
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: Zeroizing<String>,
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
    pub(crate) fn new(
        settings: ProviderSettings,
        issuer: &Issuer,
        proxy: Option<&OutboundProxy>,
    ) -> reqwest::Result<Self> {
        let mut http = document_fetcher::builder(document_fetcher::public_roots());
        if let Some(proxy) = proxy {
            http = http.proxy(proxy.with_exceptions()?);
        }
        Ok(Self {
            settings,
            callback: issuer.at("/oauth/callback"),
            http: http.build()?,
            metadata: Mutex::new(None),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Starts a sign-in with a fresh state, nonce and PKCE verifier.
    pub(crate) async fn start(&self, now: UnixSeconds) -> Result<StartedSignIn, ProviderError> {
        let metadata = self.metadata(now, METADATA_TTL_SECONDS).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = Secret::generate("", &mut rand::rng()).reveal().to_owned();
        let client = self.client(&metadata)?;
        let (url, state) = client
            .authorize_url(CsrfToken::new_random)
            .add_scopes(["openid", "email"].map(|scope| Scope::new(scope.to_owned())))
            .add_extra_param("nonce", &nonce)
            .set_pkce_challenge(challenge)
            .url();
        let verifier = Zeroizing::new(verifier.into_secret());
        Ok(StartedSignIn { url: url.into(), state: state.into_secret(), nonce, verifier })
    }

    /// Exchanges the code and returns the verified identity of the person.
    pub(crate) async fn finish(
        &self,
        code: &str,
        verifier: &str,
        nonce: &str,
        now: UnixSeconds,
    ) -> Result<Identity, ProviderError> {
        let metadata = self.metadata(now, METADATA_TTL_SECONDS).await?;
        let secret = TokenFile::new(&self.settings.client_secret_file).read().await;
        let secret = ClientSecret::new(secret.map_err(ProviderError::ReadSecret)?.as_str().to_owned());
        let client = self.client(&metadata)?.set_client_secret(secret);
        let verifier = PkceCodeVerifier::new(verifier.to_owned());
        let tokens =
            exchange(self.http.clone(), client, AuthorizationCode::new(code.to_owned()), verifier).await?;
        let id_token = tokens.extra_fields().id_token.as_deref().ok_or(ProviderError::NoIdToken)?;
        let expected = id_token::ExpectedClaims {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce,
        };
        match id_token::verify(id_token, &metadata.keys, expected, now) {
            Err(id_token::IdTokenError::UnknownKey) => {
                let renewed = self.metadata(now, MIN_METADATA_INTERVAL_SECONDS).await?;
                id_token::verify(id_token, &renewed.keys, expected, now)
            }
            verified => verified,
        }
        .map_err(ProviderError::VerifyIdToken)
    }

    /// The provider's metadata and keys, at most `max_age` seconds old.
    async fn metadata(&self, now: UnixSeconds, max_age: u64) -> Result<Arc<ProviderMetadata>, ProviderError> {
        let cached = self.metadata.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(metadata) = cached.filter(|cached| now.saturating_sub(cached.fetched) < max_age) {
            return Ok(metadata);
        }
        let fetched = Arc::new(discovery::fetch(&self.http, &self.settings.issuer, now).await?);
        *self.metadata.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&fetched));
        Ok(fetched)
    }

    /// The `oauth2` crate's client. Its URLs were checked when the metadata was fetched.
    fn client(&self, metadata: &ProviderMetadata) -> Result<ProviderClient, ProviderError> {
        let insecure = |_| ProviderError::Insecure(self.settings.issuer.clone());
        let client: Client<BasicErrorResponse, Tokens, _, _, _> =
            Client::new(ClientId::new(self.settings.client_id.clone()));
        Ok(client
            .set_auth_uri(AuthUrl::new(metadata.authorization_endpoint.clone()).map_err(insecure)?)
            .set_token_uri(TokenUrl::new(metadata.token_endpoint.clone()).map_err(insecure)?)
            .set_redirect_uri(RedirectUrl::new(self.callback.clone()).map_err(insecure)?))
    }
}

/// Boxed and without borrows, because the compiler cannot prove that the `oauth2` crate's future is
/// `Send` while it has lifetimes in it.
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

/// Sends a request of the `oauth2` crate with our own HTTP client.
async fn send(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
    let url = request.uri().to_string();
    let (parts, body) = request.into_parts();
    let sent = http.request(parts.method, &url).headers(parts.headers).body(body).send().await;
    let response = sent.map_err(|source| ProviderError::Send { url: url.clone(), source })?;
    let status = response.status();
    let headers = response.headers().clone();
    let mut answer = http::Response::new(discovery::read(response, &url).await?);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

/// The reason for the log, without the provider's description, which may repeat the code.
fn exchange_reason(error: &oauth2::RequestTokenError<ProviderError, BasicErrorResponse>) -> String {
    match error {
        oauth2::RequestTokenError::ServerResponse(answer) => answer.error().to_string(),
        oauth2::RequestTokenError::Request(cause) => error_chain(cause),
        oauth2::RequestTokenError::Parse(..) => "the response is not that of a token endpoint".into(),
        oauth2::RequestTokenError::Other(_) => "the response is of another kind".into(),
    }
}

#[cfg(test)]
mod tests;
