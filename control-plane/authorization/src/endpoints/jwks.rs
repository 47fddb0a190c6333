//! `GET /oauth/jwks`: the public keys that access tokens are verified with (RFC 7517).

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::state::SharedState;

/// Short, although a resource server fetches the keys again when it meets an unknown one.
const CACHE_CONTROL: &str = "public, max-age=300";

pub(crate) async fn handle(State(server): State<SharedState>) -> Response {
    ([(header::CACHE_CONTROL, CACHE_CONTROL)], Json(server.tokens.public_keys())).into_response()
}
