//! `GET /oauth/sign-in/provider` redirects the browser to the OpenID provider, which redirects it
//! back to `GET /oauth/callback`. In between, the authorization request is kept in memory.

use std::net::IpAddr;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::extract::{ClientIp, parse_parameters};
use super::pending_request::read_request;
use super::respond::{BrowserError, respond_to_browser, see_other};
use super::state::{ServerState, SharedState};
use crate::authorize::pending::PendingAuthorization;
use crate::limits::rate_limiter::RateLimit;
use crate::metrics::Endpoint;
use crate::pages::render::access_denied_notice;
use crate::people::account::Account;
use crate::people::sign_ins::sign_in_refused;

pub(crate) async fn start(
    State(server): State<SharedState>,
    ClientIp(address): ClientIp,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let result = async {
        server.limiter.check_ip(RateLimit::SignIn, address)?;
        let pending = read_request(&server, query.as_deref().unwrap_or_default(), address).await?;
        let request = pending.request.to_query();
        let redirect = server.sign_ins.start_at_provider(request, &headers, server.now()).await?;
        let mut response = see_other(&redirect.url);
        response.headers_mut().extend(redirect.new_cookie.map(|cookie| (header::SET_COOKIE, cookie)));
        Ok::<_, BrowserError>(response)
    };
    let result = result.await;
    respond_to_browser(&server, Endpoint::ProviderStart, result)
}

pub(crate) async fn callback(
    State(server): State<SharedState>,
    ClientIp(address): ClientIp,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let result = finish_callback(&server, address, query.as_deref().unwrap_or_default(), &headers).await;
    respond_to_browser(&server, Endpoint::ProviderCallback, result)
}

async fn finish_callback(
    server: &ServerState,
    address: IpAddr,
    query: &str,
    headers: &HeaderMap,
) -> Result<Response, BrowserError> {
    server.limiter.check_ip(RateLimit::SignIn, address)?;
    let callback = parse_parameters(query.as_bytes())?;
    let (state, issuer) = (callback.get("state"), callback.get("iss"));
    let sign_in = server.sign_ins.take_pending(state, issuer, headers, server.now())?;
    let pending = read_request(server, &sign_in.request, address).await?;
    let Some(code) = callback.get("code") else {
        let notice = "The provider did not sign you in.";
        return Ok(server.pages.sign_in(&pending, headers, Some(notice))?);
    };
    let account = server.sign_ins.finish_at_provider(code, &sign_in, server.now()).await?;
    open_session(server, &pending, &account, headers).await
}

/// Stores the account only if the person may use the agent, or one of the gateway's agents. Nothing
/// is stored about anybody else.
async fn open_session(
    server: &ServerState,
    pending: &PendingAuthorization,
    account: &Account,
    headers: &HeaderMap,
) -> Result<Response, BrowserError> {
    if let Err(denied) = server.targets.agent_choices(&pending.target, account) {
        let notice = access_denied_notice(&pending.target, denied);
        let refused = sign_in_refused(denied.reason().as_str(), notice);
        server.metrics.count(Endpoint::ProviderCallback, Some(&refused));
        return Ok(server.pages.sign_in(pending, headers, Some(notice))?);
    }
    let account = server.sign_ins.store_account(account).await?;
    let mut response =
        see_other(&server.issuer.at(&format!("/oauth/authorize?{}", pending.request.to_query())));
    let session = server.sign_ins.open_session(&account, server.now());
    response.headers_mut().insert(header::SET_COOKIE, session);
    Ok(response)
}
