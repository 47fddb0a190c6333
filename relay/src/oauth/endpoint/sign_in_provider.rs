//! `GET /oauth/sign-in/provider` sends the browser to the OpenID provider; `GET /oauth/callback` is where it comes back.
//! In between, what the browser asked for is kept here, tied to the browser's cookie and to a `state` used once.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use protocol::UnixSeconds;
use zeroize::Zeroizing;

use super::pages::barred_notice;
use super::pending::Pending;
use super::refusal::{BrowserError, see_other};
use super::{Caller, parameters};
use crate::oauth::browser::{browser_cookie, ensure_browser_cookie};
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::expiring::Expiring;
use crate::oauth::metrics::Endpoint;
use crate::oauth::parameters::Parameters;
use crate::oauth::provider::{Identity, Provider, ProviderError};
use crate::oauth::secret::{SecretHash, random_id};
use crate::oauth::throttle::Kind;
use crate::oauth::{Account, Oauth, chain};

/// Sign-ins on their way at once; the oldest makes room. Each has some 2 KiB, so these are 8 MiB.
const ON_THEIR_WAY_MAX: usize = 4096;
/// Time for a person at the provider.
const ON_ITS_WAY_SECONDS: u64 = 600;

/// Sign-ins that the provider has not answered yet, by `state`.
pub(in crate::oauth) struct OnTheirWay(Mutex<Expiring<OnItsWay>>);

struct OnItsWay {
    /// The authorization request, as a query.
    request: String,
    browser: SecretHash,
    nonce: String,
    verifier: Zeroizing<String>,
}

impl OnTheirWay {
    pub(in crate::oauth) fn new() -> Self {
        Self(Mutex::new(Expiring::new(ON_THEIR_WAY_MAX)))
    }

    fn insert(&self, state: &str, one: OnItsWay, now: UnixSeconds) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(SecretHash::of(state), one, now.saturating_add(ON_ITS_WAY_SECONDS), now);
    }

    fn take(&self, state: &str, now: UnixSeconds) -> Option<OnItsWay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(&SecretHash::of(state), now)
    }
}

pub(in crate::oauth) async fn start(
    State(oauth): State<Oauth>,
    Caller(address): Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let answer = async {
        oauth.throttle_address(Kind::SignIn, address)?;
        let pending = oauth.read_request(query.as_deref().unwrap_or_default(), address).await?;
        let provider = provider(&oauth)?;
        let started = provider.start(oauth.now()).await.map_err(|error| failed(&error))?;
        let (browser, new_cookie) = ensure_browser_cookie(&headers);
        let one = OnItsWay {
            request: pending.request.to_query(),
            browser: SecretHash::of(&browser),
            nonce: started.nonce,
            verifier: started.verifier,
        };
        oauth.on_their_way.insert(&started.state, one, oauth.now());
        let mut response = see_other(&started.url);
        response.headers_mut().extend(new_cookie.map(|cookie| (header::SET_COOKIE, cookie)));
        Ok::<_, BrowserError>(response)
    };
    let answer = answer.await;
    oauth.browsed(Endpoint::ProviderStart, answer)
}

pub(in crate::oauth) async fn callback(
    State(oauth): State<Oauth>,
    Caller(address): Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let answer = come_back(&oauth, address, query.as_deref().unwrap_or_default(), &headers).await;
    oauth.browsed(Endpoint::ProviderCallback, answer)
}

async fn come_back(
    oauth: &Oauth,
    address: IpAddr,
    query: &str,
    headers: &HeaderMap,
) -> Result<Response, BrowserError> {
    oauth.throttle_address(Kind::SignIn, address)?;
    let answer = parameters(query.as_bytes())?;
    let one = on_its_way(oauth, &answer, headers)?;
    let provider = provider(oauth)?;
    if answer.get("iss").is_some_and(|iss| iss != provider.issuer()) {
        return Err(refused("provider_issuer", "The answer is not from the provider that was asked.").into());
    }
    let pending = oauth.read_request(&one.request, address).await?;
    let Some(code) = answer.get("code") else {
        return Ok(oauth.sign_in_page(&pending, headers, Some("The provider did not sign you in."))?);
    };
    let finished = provider.finish(code, &one.verifier, &one.nonce, oauth.now()).await;
    let identity = finished.map_err(|error| failed(&error))?;
    welcome(oauth, &pending, provider, identity, headers).await
}

/// What this answer is to; once, and to the browser that asked.
fn on_its_way(oauth: &Oauth, answer: &Parameters, headers: &HeaderMap) -> Result<OnItsWay, OauthError> {
    let found = answer.get("state").and_then(|state| oauth.on_their_way.take(state, oauth.now()));
    let one = found.ok_or_else(|| {
        refused("sign_in_unknown", "This sign-in is not known here, or took too long. Start again.")
    })?;
    let browser = browser_cookie(headers).map(SecretHash::of);
    if browser != Some(one.browser) {
        return Err(refused("sign_in_of_another_browser", "This sign-in was begun in another browser."));
    }
    Ok(one)
}

/// An account is kept only of those who may use the agent, or one of them: strangers leave nothing behind.
async fn welcome(
    oauth: &Oauth,
    pending: &Pending,
    provider: &Provider,
    identity: Identity,
    headers: &HeaderMap,
) -> Result<Response, BrowserError> {
    let account = Account {
        id: random_id("acct_", &mut rand::rng()),
        issuer: provider.issuer().to_owned(),
        subject: identity.subject,
        email: identity.email,
        agent: None,
    };
    if let Err(barred) = oauth.offer(&pending.target, &account) {
        let notice = barred_notice(&pending.target, barred);
        oauth.count(Endpoint::ProviderCallback, Some(&refused(barred.reason().as_str(), notice)));
        return Ok(oauth.sign_in_page(pending, headers, Some(notice))?);
    }
    let account = oauth.store.account_or_insert(&account).await.map_err(OauthError::from)?;
    tracing::info!(target: "audit", account = account.id, issuer = account.issuer, "somebody signed in");
    let url = oauth.issuer.at(&format!("/oauth/authorize?{}", pending.request.to_query()));
    let mut response = see_other(&url);
    response.headers_mut().insert(header::SET_COOKIE, oauth.sessions.open(&account.id, oauth.now()));
    Ok(response)
}

fn provider(oauth: &Oauth) -> Result<&Provider, OauthError> {
    oauth
        .provider
        .as_ref()
        .ok_or_else(|| refused("no_provider", "This relay has no provider to sign in with."))
}

fn refused(reason: &'static str, what: &str) -> OauthError {
    OauthError::new(ErrorCode::AccessDenied, reason, what)
}

fn failed(error: &ProviderError) -> OauthError {
    tracing::warn!(error = %chain(error), "the provider of identities could not sign somebody in");
    let what = "The provider could not be asked, or did not say who you are. Try again later.";
    OauthError::new(ErrorCode::TemporarilyUnavailable, "provider_failed", what)
}
