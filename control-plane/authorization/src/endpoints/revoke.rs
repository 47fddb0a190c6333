//! `POST /oauth/revoke` (RFC 7009): a client returns an access or refresh token. Its whole grant is
//! revoked, because that is what a person expects who disconnects a client. Unknown tokens and
//! those of other clients get the same response.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::extract::{ClientIp, Form, required};
use super::respond::respond_to_client;
use super::state::{ServerState, SharedState};
use super::token::client_id;
use crate::error::OauthError;
use crate::limits::rate_limiter::RateLimit;
use crate::metrics::Endpoint;
use crate::secret::SecretHash;
use crate::tokens::access_token::grant_id;

pub(crate) async fn handle(
    State(server): State<SharedState>,
    ClientIp(address): ClientIp,
    headers: HeaderMap,
    form: Result<Form, OauthError>,
) -> Response {
    let result = async {
        server.limiter.check_ip(RateLimit::Token, address)?;
        let Form(form) = form?;
        let client_id = client_id(&form, &headers)?;
        if let Some(grant) = find_grant(&server, required(&form, "token")?).await? {
            server.grants.revoke(&grant, client_id).await?;
        }
        Ok((StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response())
    };
    respond_to_client(&server, Endpoint::Revoke, result.await)
}

/// The id of the grant that a token was issued under.
async fn find_grant(server: &ServerState, token: &str) -> Result<Option<String>, OauthError> {
    match server.tokens.verify(token, server.now()) {
        Ok(claims) => Ok(Some(grant_id(&claims).to_owned())),
        Err(_) => server.grants.id_of_refresh_token(SecretHash::of(token)).await,
    }
}
