//! `GET /oauth/jwks`: the public halves of all signing keys (RFC 7517).

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::oauth::Oauth;

/// A resource server asks again when it meets a key it does not know.
const CACHE: &str = "public, max-age=300";

pub(in crate::oauth) async fn handle(State(oauth): State<Oauth>) -> Response {
    ([(header::CACHE_CONTROL, CACHE)], Json(oauth.keys.current().public())).into_response()
}
