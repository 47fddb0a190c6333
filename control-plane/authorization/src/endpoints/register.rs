//! `POST /oauth/register`: Dynamic Client Registration (RFC 7591). Anybody may register, within
//! limits.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::{UnixSeconds, strict_json};
use serde::Serialize;

use super::extract::{ClientIp, read_body};
use super::respond::respond_to_client;
use super::state::{ServerState, SharedState};
use crate::clients::client::{Client, ClientMetadata};
use crate::error::{ErrorCode, OauthError};
use crate::grants::scope::Scopes;
use crate::limits::rate_limiter::RateLimit;
use crate::metrics::Endpoint;
use crate::secret::random_id;

/// RFC 7591 section 3.2.1. No member is ever null, because clients refuse that.
#[derive(Serialize)]
struct RegistrationResponse<'a> {
    client_id: &'a str,
    client_id_issued_at: UnixSeconds,
    client_name: &'a str,
    redirect_uris: Vec<&'a str>,
    grant_types: [&'static str; 2],
    response_types: [&'static str; 1],
    token_endpoint_auth_method: &'static str,
    scope: String,
}

pub(crate) async fn handle(
    State(server): State<SharedState>,
    ClientIp(address): ClientIp,
    request: Request,
) -> Response {
    let result = async {
        server.limiter.check_ip(RateLimit::Register, address)?;
        register(&server, &read_body(request, &server).await?).await
    };
    respond_to_client(&server, Endpoint::Register, result.await)
}

async fn register(server: &ServerState, body: &[u8]) -> Result<Response, OauthError> {
    let metadata: ClientMetadata = strict_json::from_slice(body).map_err(|error| {
        OauthError::new(ErrorCode::InvalidClientMetadata, "metadata", format!("the body: {error}"))
    })?;
    let client = Client::from_metadata(random_id("c_", &mut rand::rng()), metadata)?;
    let now = server.now();
    server.clients.register(&client, now).await?;
    tracing::info!(target: "audit", client = client.id, name = client.name, "a client registered");
    let response = RegistrationResponse {
        client_id: &client.id,
        client_id_issued_at: now,
        client_name: &client.name,
        redirect_uris: client.redirect_uris.iter().map(|uri| uri.as_str()).collect(),
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "none",
        scope: Scopes::all().to_string(),
    };
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::CREATED, no_store, Json(response)).into_response())
}
