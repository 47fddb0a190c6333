//! `GET /oauth/authorize`: shows the sign-in page or, to a person who is signed in, the consent
//! page. It never issues a code by itself.

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::extract::ClientIp;
use super::pending_request::read_request;
use super::respond::{BrowserError, respond_to_browser};
use super::state::SharedState;
use crate::limits::rate_limiter::RateLimit;
use crate::metrics::Endpoint;
use crate::pages::render::access_denied_notice;

pub(crate) async fn handle(
    State(server): State<SharedState>,
    ClientIp(address): ClientIp,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let result = async {
        server.limiter.check_ip(RateLimit::Browse, address)?;
        let pending = read_request(&server, query.as_deref().unwrap_or_default(), address).await?;
        let Some(account) = server.sign_ins.signed_in(&headers, server.now()).await? else {
            return Ok(server.pages.sign_in(&pending, &headers, None)?);
        };
        match server.targets.agent_choices(&pending.target, &account) {
            Ok(choices) => Ok(server.pages.consent(&pending, &account, &choices, &headers)?),
            Err(denied) => {
                let notice = access_denied_notice(&pending.target, denied);
                Ok(server.pages.sign_in(&pending, &headers, Some(notice))?)
            }
        }
    };
    let result: Result<Response, BrowserError> = result.await;
    respond_to_browser(&server, Endpoint::Authorize, result)
}
