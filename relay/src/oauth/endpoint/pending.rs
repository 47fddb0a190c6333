//! An authorization request on its way through sign-in and consent. Forms carry it as a query, and each step reads it anew
//! with all checks, so nothing of it is kept here and nothing a browser changed is believed.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::parameters;
use crate::oauth::account::Barred;
use crate::oauth::browser::{ensure_browser_cookie, session_cookie};
use crate::oauth::client::{Client, built_in, document};
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::metrics::Endpoint;
use crate::oauth::page::FormsLead;
use crate::oauth::request::{AuthorizationRequest, ReplyTo};
use crate::oauth::{Account, Oauth, Resource, page};

/// Purposes of forms, so that one cannot be sent as another.
pub(super) const SIGN_IN_FORM: &str = "sign-in";
pub(super) const CONSENT_FORM: &str = "consent";

/// A request that passed every check.
pub(super) struct Pending {
    pub(super) request: AuthorizationRequest,
    pub(super) client: Client,
    pub(super) resource: Resource,
}

/// Who is told about a refusal.
pub(super) enum BrowserError {
    /// The person, because the client or its redirect URI cannot be trusted.
    Person(OauthError),
    /// The client, by redirect where nobody could misuse it, else by a link that the person may follow.
    Client(Box<ReplyTo>, OauthError),
    /// The client, by redirect, because the person said so.
    Denied(Box<ReplyTo>, OauthError),
}

impl From<OauthError> for BrowserError {
    fn from(error: OauthError) -> Self {
        Self::Person(error)
    }
}

impl Oauth {
    pub(super) async fn read_request(&self, query: &str, address: IpAddr) -> Result<Pending, BrowserError> {
        let parameters = parameters(query.as_bytes())?;
        let client_id = parameters.get("client_id").ok_or_else(|| {
            OauthError::new(ErrorCode::InvalidRequest, "client_missing", "the request names no client_id")
        })?;
        let client = self.find_client(client_id, address).await?;
        let reply_to = ReplyTo::parse(&parameters, &client)?;
        let to_client = |error| BrowserError::Client(Box::new(reply_to.clone()), error);
        let is_resource = |url: &str| self.directory.resource(url).is_some();
        let request =
            AuthorizationRequest::parse(&parameters, reply_to.clone(), is_resource).map_err(to_client)?;
        let resource = self.directory.resource(&request.resource).ok_or_else(gone).map_err(to_client)?;
        if resource.suspended {
            return Err(to_client(suspended()));
        }
        Ok(Pending { request, client, resource })
    }

    /// The account that is signed in, if it is still there.
    pub(super) async fn signed_in(&self, headers: &HeaderMap) -> Result<Option<Account>, OauthError> {
        let Some(id) = self.sessions.account(headers, self.now()) else { return Ok(None) };
        Ok(self.store.account(&id).await?)
    }

    pub(super) fn sign_in_page(
        &self,
        pending: &Pending,
        headers: &HeaderMap,
        notice: Option<&str>,
    ) -> Result<Response, OauthError> {
        let (browser, new_cookie) = ensure_browser_cookie(headers);
        let query = pending.request.to_query();
        let page = page::SignIn {
            client_name: &pending.client.name,
            agent_name: pending.resource.agent_name.as_deref().unwrap_or(pending.resource.agent.name()),
            notice,
            provider: self.provider_name(),
            request: &query,
            form: &self.form_key.token(SIGN_IN_FORM, &browser, &query),
        };
        let mut response = page::show(&page, FormsLead::Here)?;
        response.headers_mut().extend(new_cookie.map(|cookie| (header::SET_COOKIE, cookie)));
        Ok(response)
    }

    pub(super) fn consent_page(
        &self,
        pending: &Pending,
        account: &Account,
        headers: &HeaderMap,
    ) -> Result<Response, OauthError> {
        let Pending { request, client, resource } = pending;
        let query = request.to_query();
        let sentences: Vec<_> = request.scopes.iter().map(|scope| scope.sentence()).collect();
        let document = document::parse_url(&client.id).ok();
        let page = page::Consent {
            client_name: &client.name,
            redirect_place: &request.reply_to.redirect.place(),
            document_host: document.as_ref().and_then(|url| url.host_str()),
            loopback: request.reply_to.redirect.is_loopback(),
            agent: resource.agent.as_str(),
            agent_name: resource.agent_name.as_deref(),
            resource: &request.resource,
            account_name: account.shown_name(),
            scopes: &sentences,
            request: &query,
            form: &self.form_key.token(CONSENT_FORM, session_cookie(headers).unwrap_or_default(), &query),
        };
        page::show(&page, FormsLead::Away)
    }

    /// Whether a form was served by us to this browser. Its origin is checked too, where the browser says it.
    pub(super) fn check_form(
        &self,
        headers: &HeaderMap,
        purpose: &str,
        cookie: Option<&str>,
        form: Option<&str>,
        query: &str,
    ) -> Result<(), OauthError> {
        let stale = |reason| {
            let what = "This page is out of date, or was not sent by the browser it was made for.";
            OauthError::new(ErrorCode::InvalidRequest, reason, what)
        };
        let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
        if origin.is_some_and(|origin| origin != self.issuer.as_str().as_bytes()) {
            return Err(stale("form_origin"));
        }
        let cookie = cookie.ok_or_else(|| stale("form_cookie"))?;
        let fits = form.is_some_and(|form| self.form_key.fits(form, purpose, cookie, query));
        if fits { Ok(()) } else { Err(stale("form_token")) }
    }

    /// Counts the answer to a browser, and makes it one.
    pub(super) fn browsed(&self, endpoint: Endpoint, answer: Result<Response, BrowserError>) -> Response {
        match answer {
            Ok(response) => {
                self.count(endpoint, None);
                response
            }
            Err(BrowserError::Person(error)) => {
                self.count(endpoint, Some(&error));
                page::refused(&error)
            }
            Err(BrowserError::Client(reply_to, error)) => {
                self.count(endpoint, Some(&error));
                let url = reply_to.failure(&self.issuer, &error);
                if is_harmless(&reply_to) {
                    return see_other(&url);
                }
                page::refused_with_link(&error, &reply_to.redirect.place(), &url)
            }
            Err(BrowserError::Denied(reply_to, error)) => {
                self.count(endpoint, Some(&error));
                see_other(&reply_to.failure(&self.issuer, &error))
            }
        }
    }
}

/// Anybody may register a client with any address, so without a person's word we send browsers only to themselves, or to
/// clients that were reviewed: we are no open redirector (RFC 9700 section 4.11.2).
fn is_harmless(reply_to: &ReplyTo) -> bool {
    reply_to.redirect.is_loopback() || built_in::find(&reply_to.client_id).is_some()
}

/// A redirect that makes a GET of a POST, and is kept nowhere: it may carry a code.
pub(super) fn see_other(url: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(url) else {
        return page::refused(&OauthError::new(
            ErrorCode::ServerError,
            "location",
            "the address cannot be written",
        ));
    };
    let headers =
        [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// What a person is told who signed in and may not use the agent.
pub(super) const fn barred_notice(barred: Barred) -> &'static str {
    match barred {
        Barred::Suspended => "This agent is suspended. Ask the administrator of its team.",
        Barred::NotInvited => {
            "You are signed in, but may not use this agent. Sign in as somebody else, or ask the administrator of its team."
        }
    }
}

fn gone() -> OauthError {
    OauthError::new(
        ErrorCode::InvalidTarget,
        "resource",
        "resource is no MCP endpoint of this relay any more",
    )
}

pub(super) fn suspended() -> OauthError {
    OauthError::new(ErrorCode::AccessDenied, "suspended", "the agent or its tenant is suspended")
}
