//! `POST /oauth/sign-in/invitation`: redeems an invitation for an account and opens a session for
//! it.

use std::net::IpAddr;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::extract::{ClientIp, Form};
use super::pending_request::read_request;
use super::respond::{BrowserError, respond_to_browser, see_other};
use super::state::{ServerState, SharedState};
use crate::error::{ErrorCode, OauthError};
use crate::limits::rate_limiter::RateLimit;
use crate::metrics::Endpoint;
use crate::pages::render::SIGN_IN_FORM;
use crate::parameters::Parameters;
use crate::people::browser_session::browser_cookie;

pub(crate) async fn handle(
    State(server): State<SharedState>,
    ClientIp(address): ClientIp,
    headers: HeaderMap,
    form: Result<Form, OauthError>,
) -> Response {
    let result = async {
        server.limiter.check_ip(RateLimit::SignIn, address)?;
        sign_in(&server, &form?.0, &headers, address).await
    };
    let result = result.await.map_err(BrowserError::without_redirect);
    respond_to_browser(&server, Endpoint::Invitation, result)
}

async fn sign_in(
    server: &ServerState,
    form: &Parameters,
    headers: &HeaderMap,
    address: IpAddr,
) -> Result<Response, BrowserError> {
    let query = form.get("request").unwrap_or_default();
    let browser = browser_cookie(headers);
    server.pages.check_form(headers, SIGN_IN_FORM, browser, form.get("form"), query)?;
    let pending = read_request(server, query, address).await?;
    let code = form.get("code").unwrap_or_default();
    let check_target = |agent: &_| server.targets.check_invitation(&pending.target, agent);
    let account = match server.invitations.redeem(code, check_target).await {
        Ok(account) => account,
        // The person may have mistyped the code, so the same page is shown again, with the error.
        Err(error) if error.code == ErrorCode::AccessDenied => {
            server.metrics.count(Endpoint::Invitation, Some(&error));
            return Ok(server.pages.sign_in(&pending, headers, Some(&error.description))?);
        }
        Err(error) => return Err(error.into()),
    };
    let mut response = see_other(&server.issuer.at(&format!("/oauth/authorize?{query}")));
    let session = server.sign_ins.open_session(&account, server.now());
    response.headers_mut().insert(header::SET_COOKIE, session);
    Ok(response)
}
