//! `POST /oauth/sign-in/invitation`: an invitation becomes an account, and the browser gets a session of it.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::pending::SIGN_IN_FORM;
use super::refusal::{BrowserError, see_other};
use super::{Caller, Form};
use crate::oauth::Oauth;
use crate::oauth::browser::browser_cookie;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::metrics::Endpoint;
use crate::oauth::parameters::Parameters;
use crate::oauth::throttle::Kind;

pub(in crate::oauth) async fn handle(
    State(oauth): State<Oauth>,
    Caller(address): Caller,
    headers: HeaderMap,
    form: Result<Form, OauthError>,
) -> Response {
    let answer = async {
        oauth.throttle_address(Kind::SignIn, address)?;
        sign_in(&oauth, &form?.0, &headers, address).await
    };
    let answer = answer.await.map_err(BrowserError::without_redirect);
    oauth.browsed(Endpoint::Invitation, answer)
}

async fn sign_in(
    oauth: &Oauth,
    form: &Parameters,
    headers: &HeaderMap,
    address: std::net::IpAddr,
) -> Result<Response, BrowserError> {
    let query = form.get("request").unwrap_or_default();
    oauth.check_form(headers, SIGN_IN_FORM, browser_cookie(headers), form.get("form"), query)?;
    let pending = oauth.read_request(query, address).await?;
    let code = form.get("code").unwrap_or_default();
    let account = match oauth.redeem(code, &pending.target).await {
        Ok(account) => account,
        // A person may have mistyped it: the same page again, with what is wrong.
        Err(error) if error.code == ErrorCode::AccessDenied => {
            oauth.count(Endpoint::Invitation, Some(&error));
            return Ok(oauth.sign_in_page(&pending, headers, Some(&error.description))?);
        }
        Err(error) => return Err(error.into()),
    };
    let mut response = see_other(&oauth.issuer.at(&format!("/oauth/authorize?{query}")));
    response.headers_mut().insert(header::SET_COOKIE, oauth.sessions.open(&account.id, oauth.now()));
    Ok(response)
}
