//! `POST /oauth/register`: Dynamic Client Registration (RFC 7591). Anybody may; what that can cost has limits.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::{UnixSeconds, strict_json};
use serde::Serialize;

use super::{Caller, body};
use crate::oauth::Oauth;
use crate::oauth::client::{Client, Metadata};
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::metrics::Endpoint;
use crate::oauth::scope::Scopes;
use crate::oauth::secret::random_id;
use crate::oauth::throttle::Kind;
use crate::store::oauth::clients;

/// Clients that nobody has allowed anything yet; each has at most some 32 KiB on disk, mostly 500 bytes.
const UNUSED_CLIENTS_MAX: u64 = 5_000;
/// Until then a new client is not forgotten for another one: time for a person to sign in and decide.
const SETTLING_SECONDS: u64 = 600;

/// RFC 7591 section 3.2.1. No member is ever null: clients refuse that.
#[derive(Serialize)]
struct Registered<'a> {
    client_id: &'a str,
    client_id_issued_at: UnixSeconds,
    client_name: &'a str,
    redirect_uris: Vec<&'a str>,
    grant_types: [&'static str; 2],
    response_types: [&'static str; 1],
    token_endpoint_auth_method: &'static str,
    scope: String,
}

pub(in crate::oauth) async fn handle(
    State(oauth): State<Oauth>,
    Caller(address): Caller,
    request: Request,
) -> Response {
    let answer = async {
        oauth.throttle_address(Kind::Register, address)?;
        register(&oauth, &body(request, &oauth).await?).await
    };
    oauth.answered(Endpoint::Register, answer.await)
}

async fn register(oauth: &Oauth, body: &[u8]) -> Result<Response, OauthError> {
    let metadata: Metadata = strict_json::from_slice(body).map_err(|error| {
        OauthError::new(ErrorCode::InvalidClientMetadata, "metadata", format!("the body: {error}"))
    })?;
    let client = Client::from_metadata(random_id("c_", &mut rand::rng()), metadata)?;
    let now = oauth.now();
    store(oauth, &client, now).await?;
    tracing::info!(target: "audit", client = client.id, name = client.name, "a client registered");
    let registered = Registered {
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
    Ok((StatusCode::CREATED, no_store, Json(registered)).into_response())
}

/// When there are too many unused ones, the oldest makes room, unless it is quite new too.
async fn store(oauth: &Oauth, client: &Client, now: UnixSeconds) -> Result<(), OauthError> {
    let mut transaction = oauth.store.begin().await?;
    if clients::count_unused(&mut transaction).await? >= UNUSED_CLIENTS_MAX {
        let settled = now.saturating_sub(SETTLING_SECONDS);
        if !clients::delete_oldest_unused(&mut transaction, settled).await? {
            let what = "too many clients have just registered; try again later";
            let full = OauthError::new(ErrorCode::TemporarilyUnavailable, "clients_full", what);
            return Err(OauthError { retry_after: Some(SETTLING_SECONDS), ..full });
        }
    }
    clients::insert(&mut transaction, client, now).await?;
    Ok(transaction.commit().await?)
}
