//! Signs people in: their browser sessions, their accounts, and the way through the OpenID
//! provider.

use axum::http::{HeaderMap, HeaderValue};
use daemon::error_chain;
use protocol::UnixSeconds;

use super::account::Account;
use super::browser_session::{BrowserSessions, browser_cookie, ensure_browser_cookie};
use super::pending_sign_ins::{PendingSignIn, PendingSignIns};
use super::provider::client::Provider;
use super::provider::error::ProviderError;
use crate::error::{ErrorCode, OauthError};
use crate::secret::{SecretHash, random_id};
use crate::store::database::Database;

/// Sign-in by session and by provider.
pub(crate) struct SignIns {
    store: Database,
    sessions: BrowserSessions,
    /// `None`: people sign in with invitations only.
    provider: Option<Provider>,
    pending: PendingSignIns,
}

/// A redirect to the provider, and the browser cookie to set if the browser has none yet.
pub(crate) struct ProviderRedirect {
    pub(crate) url: String,
    pub(crate) new_cookie: Option<HeaderValue>,
}

impl SignIns {
    pub(crate) fn new(store: Database, provider: Option<Provider>) -> Self {
        Self { store, sessions: BrowserSessions::new(), provider, pending: PendingSignIns::new() }
    }

    /// The account that is signed in, if it still exists.
    pub(crate) async fn signed_in(
        &self,
        headers: &HeaderMap,
        now: UnixSeconds,
    ) -> Result<Option<Account>, OauthError> {
        let Some(id) = self.sessions.account(headers, now) else { return Ok(None) };
        Ok(self.store.account(&id).await?)
    }

    /// Opens a session and returns its cookie.
    pub(crate) fn open_session(&self, account: &Account, now: UnixSeconds) -> HeaderValue {
        self.sessions.open(&account.id, now)
    }

    /// Starts a sign-in at the provider for an authorization request, given as a query.
    pub(crate) async fn start_at_provider(
        &self,
        request: String,
        headers: &HeaderMap,
        now: UnixSeconds,
    ) -> Result<ProviderRedirect, OauthError> {
        let started = self.provider()?.start(now).await.map_err(|error| provider_failed(&error))?;
        let (browser, new_cookie) = ensure_browser_cookie(headers);
        let sign_in = PendingSignIn {
            request,
            browser: SecretHash::of(&browser),
            nonce: started.nonce,
            verifier: started.verifier,
        };
        self.pending.insert(&started.state, sign_in, now);
        Ok(ProviderRedirect { url: started.url, new_cookie })
    }

    /// The pending sign-in of a callback. It can be taken once, by the browser that started it, and
    /// for a response of the provider it was started at.
    pub(crate) fn take_pending(
        &self,
        state: Option<&str>,
        issuer: Option<&str>,
        headers: &HeaderMap,
        now: UnixSeconds,
    ) -> Result<PendingSignIn, OauthError> {
        let pending = state.and_then(|state| self.pending.take(state, now)).ok_or_else(|| {
            let what = "This sign-in is unknown or took too long. Start again.";
            sign_in_refused("sign_in_unknown", what)
        })?;
        if browser_cookie(headers).map(SecretHash::of) != Some(pending.browser) {
            let what = "This sign-in was started in another browser.";
            return Err(sign_in_refused("sign_in_of_another_browser", what));
        }
        let provider = self.provider()?;
        if issuer.is_some_and(|issuer| issuer != provider.issuer()) {
            let what = "The response is not from the provider that you were sent to.";
            return Err(sign_in_refused("provider_issuer", what));
        }
        Ok(pending)
    }

    /// The person that the provider authenticated, as an account that is not stored yet.
    pub(crate) async fn finish_at_provider(
        &self,
        code: &str,
        pending: &PendingSignIn,
        now: UnixSeconds,
    ) -> Result<Account, OauthError> {
        let provider = self.provider()?;
        let finished = provider.finish(code, &pending.verifier, &pending.nonce, now).await;
        let identity = finished.map_err(|error| provider_failed(&error))?;
        Ok(Account {
            id: random_id("acct_", &mut rand::rng()),
            issuer: provider.issuer().to_owned(),
            subject: identity.subject,
            email: identity.email,
            agent: None,
        })
    }

    /// Stores the account, or updates the one that this person already has.
    pub(crate) async fn store_account(&self, account: &Account) -> Result<Account, OauthError> {
        let account = self.store.account_or_insert(account).await?;
        tracing::info!(target: "audit", account = account.id, issuer = account.issuer, "somebody signed in");
        Ok(account)
    }

    fn provider(&self) -> Result<&Provider, OauthError> {
        let what = "This relay has no provider to sign in with.";
        self.provider.as_ref().ok_or_else(|| sign_in_refused("no_provider", what))
    }
}

/// A refusal of a sign-in, with a sentence for the person.
pub(crate) fn sign_in_refused(reason: &'static str, what: &str) -> OauthError {
    OauthError::new(ErrorCode::AccessDenied, reason, what)
}

fn provider_failed(error: &ProviderError) -> OauthError {
    tracing::warn!(error = %error_chain(error), "failed to sign a person in with the OpenID provider");
    let what = "The provider did not respond, or did not confirm who you are. Try again later.";
    OauthError::new(ErrorCode::TemporarilyUnavailable, "provider_failed", what)
}
