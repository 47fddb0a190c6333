//! `POST /oauth/consent`: takes the person's decision and, at the gateway, the agent they chose. If
//! they allow the request, the client gets a code; if they deny it, the client gets an error.

use std::net::IpAddr;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use protocol::Did;

use super::extract::{ClientIp, Form};
use super::pending_request::read_request;
use super::respond::{BrowserError, respond_to_browser, see_other};
use super::state::{ServerState, SharedState};
use crate::authorize::pending::PendingAuthorization;
use crate::authorize::target::{AgentNotChosen, Target};
use crate::error::{ErrorCode, OauthError};
use crate::grants::lifecycle::NewGrant;
use crate::limits::rate_limiter::{RateLimit, RateLimitKey};
use crate::metrics::Endpoint;
use crate::pages::render::{CONSENT_FORM, access_denied_notice};
use crate::parameters::Parameters;
use crate::people::account::Account;
use crate::people::browser_session::session_cookie;
use crate::secret::Secret;

pub(crate) async fn handle(
    State(server): State<SharedState>,
    ClientIp(address): ClientIp,
    headers: HeaderMap,
    form: Result<Form, OauthError>,
) -> Response {
    let result = async {
        server.limiter.check_ip(RateLimit::Browse, address)?;
        decide(&server, &form?.0, &headers, address).await
    };
    let result = result.await;
    respond_to_browser(&server, Endpoint::Consent, result)
}

async fn decide(
    server: &ServerState,
    form: &Parameters,
    headers: &HeaderMap,
    address: IpAddr,
) -> Result<Response, BrowserError> {
    let query = form.get("request").unwrap_or_default();
    let session = session_cookie(headers);
    server.pages.check_form(headers, CONSENT_FORM, session, form.get("form"), query)?;
    let pending = read_request(server, query, address).await?;
    let Some(account) = server.sign_ins.signed_in(headers, server.now()).await? else {
        let notice = "Your session has ended. Sign in again.";
        return Ok(server.pages.sign_in(&pending, headers, Some(notice))?);
    };
    server.limiter.check(RateLimit::Consent, RateLimitKey::Account(&account.id))?;
    match form.get("decision") {
        Some("allow") => allow(server, &pending, &account, form.get("agent"), headers).await,
        Some("deny") => {
            let denied = OauthError::new(ErrorCode::AccessDenied, "denied", "the person denied the request");
            Err(BrowserError::Denied(Box::new(pending.request.reply_to.clone()), denied))
        }
        _ => {
            let what = "The form has no decision. Choose Allow or Deny.";
            Err(OauthError::new(ErrorCode::InvalidRequest, "decision", what).into())
        }
    }
}

/// `selected` is the agent in the form. A person who may not use it can sign in as somebody else.
async fn allow(
    server: &ServerState,
    pending: &PendingAuthorization,
    account: &Account,
    selected: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, BrowserError> {
    match server.targets.choose_agent(&pending.target, account, selected) {
        Ok(agent) => {
            let code = create_grant(server, pending, account, agent).await?;
            Ok(see_other(&pending.request.reply_to.success(&server.issuer, code.reveal())))
        }
        Err(AgentNotChosen::Missing) => {
            Err(OauthError::new(ErrorCode::InvalidRequest, "agent_missing", "Choose an agent.").into())
        }
        Err(AgentNotChosen::Denied(denied)) => {
            let notice = access_denied_notice(&pending.target, denied);
            let refused = OauthError::new(ErrorCode::AccessDenied, denied.reason().as_str(), notice);
            server.metrics.count(Endpoint::Consent, Some(&refused));
            Ok(server.pages.sign_in(pending, headers, Some(notice))?)
        }
    }
}

async fn create_grant(
    server: &ServerState,
    pending: &PendingAuthorization,
    account: &Account,
    agent: Did,
) -> Result<Secret, OauthError> {
    let request = &pending.request;
    let new = NewGrant {
        account: account.id.clone(),
        client_id: pending.client.id.clone(),
        agent,
        resource: request.resource.clone(),
        gateway: matches!(pending.target, Target::Gateway),
        scope: request.scopes.to_string(),
        redirect_uri: request.reply_to.redirect.to_string(),
        challenge: request.challenge,
    };
    server.grants.create(new, server.now()).await
}
