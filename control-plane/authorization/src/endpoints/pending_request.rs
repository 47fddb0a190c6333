//! An authorization request on its way through sign-in and consent. Forms carry it as a query, and each step reads it anew
//! with all checks, so nothing of it is kept here and nothing a browser changed is believed.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, header};

use super::parameters;
use super::refusal::BrowserError;
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::request::{AuthorizationRequest, ReplyTo};
use crate::oauth::target::Target;
use crate::oauth::{Account, Oauth};

/// Purposes of forms, so that one cannot be sent as another.
pub(super) const SIGN_IN_FORM: &str = "sign-in";
pub(super) const CONSENT_FORM: &str = "consent";

/// A request that passed every check.
pub(super) struct Pending {
    pub(super) request: AuthorizationRequest,
    pub(super) client: Client,
    pub(super) target: Target,
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
        let is_resource = |url: &str| self.target(url).is_some();
        let request =
            AuthorizationRequest::parse(&parameters, reply_to.clone(), is_resource).map_err(to_client)?;
        let target = self.target(&request.resource).ok_or_else(gone).map_err(to_client)?;
        if matches!(&target, Target::Agent(agent) if agent.suspended) {
            return Err(to_client(suspended()));
        }
        Ok(Pending { request, client, target })
    }

    /// The account that is signed in, if it is still there.
    pub(super) async fn signed_in(&self, headers: &HeaderMap) -> Result<Option<Account>, OauthError> {
        let Some(id) = self.sessions.account(headers, self.now()) else { return Ok(None) };
        Ok(self.store.account(&id).await?)
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
