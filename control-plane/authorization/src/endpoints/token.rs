//! `POST /oauth/token`: exchanges a code or a refresh token for an access token and the next
//! refresh token.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::extract::{ClientIp, Form, required};
use super::respond::respond_to_client;
use super::state::{ServerState, SharedState};
use crate::error::{ErrorCode, OauthError};
use crate::grants::exchange::{CodeExchange, RefreshExchange};
use crate::grants::grant::ACCESS_TOKEN_TTL_SECONDS;
use crate::grants::lifecycle::Exchanged;
use crate::limits::rate_limiter::RateLimit;
use crate::metrics::Endpoint;
use crate::parameters::Parameters;
use crate::secret::SecretHash;

/// RFC 6749 section 5.1.
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: &'a str,
    scope: &'a str,
}

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
        server.clients.check_id(client_id).await?;
        let exchanged = match required(&form, "grant_type")? {
            "authorization_code" => exchange_code(&server, client_id, &form).await?,
            "refresh_token" => refresh(&server, client_id, &form).await?,
            _ => {
                let what = "grant_type must be authorization_code or refresh_token";
                return Err(OauthError::new(ErrorCode::UnsupportedGrantType, "grant_type", what));
            }
        };
        token_response(&server, &exchanged)
    };
    respond_to_client(&server, Endpoint::Token, result.await)
}

/// All clients are public: they identify and do not authenticate themselves. A secret is a mistake
/// of the client.
pub(super) fn client_id<'a>(form: &'a Parameters, headers: &HeaderMap) -> Result<&'a str, OauthError> {
    let refused = |reason, what| OauthError::new(ErrorCode::InvalidClient, reason, what);
    if headers.contains_key(header::AUTHORIZATION) || form.get("client_secret").is_some() {
        return Err(refused(
            "client_authentication",
            "clients are public here: send client_id, and no secret",
        ));
    }
    form.get("client_id").ok_or_else(|| refused("client_missing", "client_id is missing"))
}

async fn exchange_code(
    server: &ServerState,
    client_id: &str,
    form: &Parameters,
) -> Result<Exchanged, OauthError> {
    let code = SecretHash::of(required(form, "code")?);
    let presented = CodeExchange {
        client_id,
        redirect_uri: required(form, "redirect_uri")?,
        verifier: required(form, "code_verifier")?,
        resource: form.get("resource"),
    };
    server.grants.exchange_code(code, presented, server.now()).await
}

async fn refresh(server: &ServerState, client_id: &str, form: &Parameters) -> Result<Exchanged, OauthError> {
    let token = SecretHash::of(required(form, "refresh_token")?);
    let presented = RefreshExchange { client_id, resource: form.get("resource"), scope: form.get("scope") };
    server.grants.refresh(token, presented, server.now()).await
}

fn token_response(server: &ServerState, exchanged: &Exchanged) -> Result<Response, OauthError> {
    let Exchanged { grant, account, scope, refresh_token } = exchanged;
    let body = TokenResponse {
        access_token: server.tokens.issue(grant, account, scope, server.now())?,
        token_type: "Bearer",
        expires_in: ACCESS_TOKEN_TTL_SECONDS,
        refresh_token: refresh_token.reveal(),
        scope,
    };
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::PRAGMA, HeaderValue::from_static("no-cache")),
    ];
    Ok((headers, Json(body)).into_response())
}
