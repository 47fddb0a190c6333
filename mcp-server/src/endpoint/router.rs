//! Routes of the endpoint: MCP over streamable HTTP at `/mcp`, and the public documents.
//!
//! Requests of MCP 2026-07-28 are stateless. A client of the handshake era gets a session, which is
//! bound to its principal and ends with this process; the client then starts a new one, as the
//! protocol requires.

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use super::guard::{self, Guard, REQUEST_BYTES_MAX};
use super::settings::HttpSettings;
use crate::http::{MCP_PATH, MCP_PATH_WITH_SLASH, metadata, server_card, small_body};

/// The public routes. `server` makes a handler for each session, and for each stateless request.
pub fn router<S: ServerHandler + Send + 'static>(
    server: impl Fn() -> S + Send + Sync + 'static,
    settings: &HttpSettings,
    guard: Guard,
    agent: &str,
) -> Router {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(true)
        .with_json_response(true)
        // Clients of the first revisions take the first event for the answer, and an event without
        // data would break them.
        .with_sse_retry(None)
        .with_allowed_hosts(settings.allowed_hosts.clone())
        .with_allowed_origins(settings.allowed_origins.clone())
        .enforce_origin_validation()
        .with_max_request_body_bytes(REQUEST_BYTES_MAX);
    let sessions = guard.sessions().manager();
    let mcp = StreamableHttpService::new(move || Ok(server()), sessions, config);
    let guarded = Router::new()
        .route_service(MCP_PATH, mcp.clone())
        .route_service(MCP_PATH_WITH_SLASH, mcp)
        .route_layer(from_fn_with_state(guard, guard::check_request))
        .route_layer(from_fn(small_body::read_before_handling));
    match &settings.oauth {
        Some(oauth) => guarded
            .merge(metadata::routes(&oauth.public_url, &oauth.issuer, agent))
            .merge(server_card::routes(&oauth.public_url, agent)),
        None => guarded,
    }
}
