//! `GET /oauth/authorize`: sign in, or decide. Never answers the client by itself: each request is put before a person.

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::Caller;
use super::pages::barred_notice;
use super::refusal::BrowserError;
use crate::oauth::Oauth;
use crate::oauth::metrics::Endpoint;
use crate::oauth::throttle::Kind;

pub(in crate::oauth) async fn handle(
    State(oauth): State<Oauth>,
    Caller(address): Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let answer = async {
        oauth.throttle_address(Kind::Browse, address)?;
        let pending = oauth.read_request(query.as_deref().unwrap_or_default(), address).await?;
        let Some(account) = oauth.signed_in(&headers).await? else {
            return Ok(oauth.sign_in_page(&pending, &headers, None)?);
        };
        match oauth.offer(&pending.target, &account) {
            Ok(offer) => Ok(oauth.consent_page(&pending, &account, &offer, &headers)?),
            Err(barred) => {
                let notice = barred_notice(&pending.target, barred);
                Ok(oauth.sign_in_page(&pending, &headers, Some(notice))?)
            }
        }
    };
    let answer: Result<Response, BrowserError> = answer.await;
    oauth.browsed(Endpoint::Authorize, answer)
}
