//! `POST /oauth/revoke` (RFC 7009): a client gives back a token of either kind. The whole grant ends with it, because that
//! is what a person means who disconnects a client. What is unknown, or another client's, is answered the same.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::token::client_id;
use super::{Caller, Form};
use crate::oauth::Oauth;
use crate::oauth::access_token;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::metrics::Endpoint;
use crate::oauth::secret::SecretHash;
use crate::oauth::throttle::Kind;

pub(in crate::oauth) async fn handle(
    State(oauth): State<Oauth>,
    Caller(address): Caller,
    headers: HeaderMap,
    form: Result<Form, OauthError>,
) -> Response {
    let answer = async {
        oauth.throttle_address(Kind::Token, address)?;
        let Form(form) = form?;
        let client_id = client_id(&form, &headers)?;
        let token = form.get("token").ok_or_else(|| {
            OauthError::new(ErrorCode::InvalidRequest, "parameter_missing", "token is missing")
        })?;
        revoke(&oauth, client_id, token).await?;
        Ok((StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response())
    };
    oauth.answered(Endpoint::Revoke, answer.await)
}

async fn revoke(oauth: &Oauth, client_id: &str, token: &str) -> Result<(), OauthError> {
    let Some(grant) = grant_of(oauth, token).await? else { return Ok(()) };
    if oauth.store.revoke_grant(&grant, client_id).await? {
        tracing::info!(target: "audit", grant, client = client_id, "a client gave its grant back");
    }
    Ok(())
}

async fn grant_of(oauth: &Oauth, token: &str) -> Result<Option<String>, OauthError> {
    let claims = access_token::verify(token, &oauth.keys.current(), oauth.issuer.as_str(), oauth.now());
    if let Ok(claims) = claims {
        return Ok(Some(access_token::grant_id(&claims).to_owned()));
    }
    let mut transaction = oauth.store.begin().await?;
    let found = oauth.store.refresh_token(&mut transaction, SecretHash::of(token)).await?;
    Ok(found.map(|token| token.grant.id))
}
