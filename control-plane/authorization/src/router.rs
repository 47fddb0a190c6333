//! The routes of the authorization server on the relay's public listener.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, header};
use axum::routing::{get, post};
use tower_http::cors::{Any, CorsLayer};
use tower_http::timeout::TimeoutLayer;

use crate::endpoints::state::SharedState;
use crate::endpoints::{
    authorize, connector, consent, introspect, jwks, metadata, register, revoke, sign_in_invitation,
    sign_in_provider, token,
};
use crate::pages::templates;
use crate::parameters::PARAMETERS_BYTES_MAX;

/// Time for a whole request, including its body and a fetched document. Clients give up after 10 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a browser may cache the answer to a CORS preflight request.
const CORS_PREFLIGHT_TTL: Duration = Duration::from_secs(3600);

pub(crate) fn router(server: SharedState) -> Router {
    // Scripts of other origins may call these endpoints, because none of them reads cookies.
    let cross_origin = Router::new()
        .route("/.well-known/oauth-authorization-server", get(metadata::handle))
        .route("/.well-known/oauth-authorization-server/{*path}", get(metadata::handle))
        .route("/.well-known/openid-configuration", get(metadata::handle))
        .route("/.well-known/openid-configuration/{*path}", get(metadata::handle))
        .route("/.well-known/mcp-connector.json", get(connector::handle))
        .route("/oauth/jwks", get(jwks::handle))
        .route("/oauth/register", post(register::handle))
        .route("/oauth/token", post(token::handle))
        .route("/oauth/revoke", post(revoke::handle))
        .layer(cors());
    let same_origin = Router::new()
        .route("/oauth/authorize", get(authorize::handle))
        .route("/oauth/sign-in/invitation", post(sign_in_invitation::handle))
        .route("/oauth/sign-in/provider", get(sign_in_provider::start))
        .route("/oauth/callback", get(sign_in_provider::callback))
        .route("/oauth/consent", post(consent::handle))
        .route("/oauth/introspect", post(introspect::handle))
        .route("/oauth/style.css", get(templates::style));
    cross_origin
        .merge(same_origin)
        .layer(DefaultBodyLimit::max(PARAMETERS_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT))
        .with_state(server)
}

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::HeaderName::from_static("mcp-protocol-version"),
        ])
        .max_age(CORS_PREFLIGHT_TTL)
}
