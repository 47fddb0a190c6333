//! `POST /oauth/introspect` (RFC 7662): an agent asks, with its API key, whether an access token for itself still holds.
//! What cannot be told it, or must not, is inactive.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::{Caller, Form};
use crate::bearer::bearer;
use crate::directory::Principal;
use crate::oauth::Oauth;
use crate::oauth::access_token::{self, Claims};
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::metrics::Endpoint;
use crate::oauth::throttle::Kind;

/// RFC 7662 section 2.2.
#[derive(Serialize)]
struct Introspection {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(flatten)]
    claims: Option<Claims>,
}

pub(in crate::oauth) async fn handle(
    State(oauth): State<Oauth>,
    Caller(address): Caller,
    headers: HeaderMap,
    form: Result<Form, OauthError>,
) -> Response {
    let answer = async {
        let who = authenticate(&oauth, &headers).inspect_err(|_| {
            // Only failures are counted against an address: a busy server of agents asks often.
            let _ = oauth.throttle_address(Kind::SignIn, address);
        })?;
        let Form(form) = form?;
        let token = form.get("token").ok_or_else(|| {
            OauthError::new(ErrorCode::InvalidRequest, "parameter_missing", "token is missing")
        })?;
        let claims = active(&oauth, &who, token).await?;
        let token_type = claims.as_ref().map(|_| "Bearer");
        let body = Introspection { active: claims.is_some(), token_type, claims };
        Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
    };
    oauth.answered(Endpoint::Introspect, answer.await)
}

fn authenticate(oauth: &Oauth, headers: &HeaderMap) -> Result<Principal, OauthError> {
    let refused = |reason, what: &str| OauthError::new(ErrorCode::InvalidToken, reason, what);
    let key = bearer(headers)
        .ok_or_else(|| refused("key_missing", "send the API key of the agent as Authorization: Bearer"))?;
    oauth.directory.authenticate(key).map_err(|error| refused("key_refused", error.reason().advice()))
}

async fn active(oauth: &Oauth, who: &Principal, token: &str) -> Result<Option<Claims>, OauthError> {
    let verified = access_token::verify(token, &oauth.keys.current(), oauth.issuer.as_str(), oauth.now());
    let Ok(claims) = verified else { return Ok(None) };
    if !covers(who, &claims) {
        return Ok(None);
    }
    let Some(grant) = oauth.store.grant(claims.grant()).await? else { return Ok(None) };
    let Some(account) = oauth.store.account(&grant.account).await? else { return Ok(None) };
    Ok(oauth.check_standing(&grant, &account).is_ok().then_some(claims))
}

/// An agent asks about tokens for itself; the key of a tenant covers its agents.
fn covers(who: &Principal, claims: &Claims) -> bool {
    let own = who.agent.as_ref().is_none_or(|agent| *agent == claims.agent);
    own && claims.agent.tenant() == who.tenant
}
