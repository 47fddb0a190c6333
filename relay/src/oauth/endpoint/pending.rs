//! An authorization request on its way through sign-in and consent. Forms carry it as a query, and each step reads it anew
//! with all checks, so nothing of it is kept here and nothing a browser changed is believed.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::parameters;
use super::refusal::BrowserError;
use crate::oauth::account::Barred;
use crate::oauth::browser::{ensure_browser_cookie, session_cookie};
use crate::oauth::client::{Client, document};
use crate::oauth::error::{ErrorCode, OauthError};
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
}

/// What a person is told who signed in and may not use the agent.
pub(super) const fn barred_notice(barred: Barred) -> &'static str {
    match barred {
        Barred::Suspended => "This agent is suspended. Ask the administrator of its team.",
        Barred::NoEndpoint => "This agent is not reached at this address. Ask the administrator of its team.",
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
