//! Streamable HTTP at `/mcp`: [`guard`] lets callers in, rmcp speaks the protocol, [`listener`] owns the connections.
//!
//! Requests of MCP 2026-07-28 stand alone. A client of the handshake era gets a session, which is bound to its principal and
//! ends with this process; the client then makes a new one, as the protocol says.

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use crate::settings::Http;
use guard::Guard;

pub mod bearer;
pub mod demand;
pub mod gate;
pub mod guard;
pub mod issuer;
pub mod listener;
pub mod metadata;
pub mod outbound;
pub mod refused;
pub mod reload;
pub mod server_card;
pub mod sessions;
pub mod small_body;
pub mod tls;
pub mod token;
pub mod via;

/// Bytes of one request: the longest content, the call around it, and escapes in its JSON.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;

/// The public routes. `server` makes a handler for each session, and for each request without one.
pub fn router<S: ServerHandler + Send + 'static>(
    server: impl Fn() -> S + Send + Sync + 'static,
    settings: &Http,
    guard: Guard,
    agent: &str,
) -> Router {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(true)
        .with_json_response(true)
        // Clients of the first revisions take the first event of an answer for the answer; one without data would break them.
        .with_sse_retry(None)
        .with_allowed_hosts(settings.allowed_hosts.clone())
        .with_allowed_origins(settings.allowed_origins.clone())
        .enforce_origin_validation()
        .with_max_request_body_bytes(REQUEST_BYTES_MAX);
    let sessions = guard.sessions().manager();
    let mcp = StreamableHttpService::new(move || Ok(server()), sessions, config);
    let guarded = Router::new()
        .route_service("/mcp", mcp)
        .route_layer(from_fn_with_state(guard, guard::admit))
        .route_layer(from_fn(small_body::read_first));
    match &settings.oauth {
        Some(oauth) => guarded
            .merge(metadata::routes(&oauth.public_url, &oauth.issuer, agent))
            .merge(server_card::routes(&oauth.public_url, agent)),
        None => guarded,
    }
}
