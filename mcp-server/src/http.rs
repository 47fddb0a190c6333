//! Streamable HTTP at `/mcp`: [`guard`] lets callers in, rmcp speaks the protocol, [`listener`] owns the connections.
//!
//! Every request stands alone, in every revision of MCP: no session id is ever given out, so there is none to steal, and a
//! restart of this process interrupts nobody's session.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use crate::server::Server;
use crate::settings::Http;
use guard::Guard;

pub mod gate;
pub mod guard;
pub mod listener;
pub mod reload;
pub mod tls;

/// Bytes of one request: the longest content, the call around it, and escapes in its JSON.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;

/// The public routes.
pub fn router(server: Server, settings: &Http, guard: Guard) -> Router {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_allowed_hosts(settings.allowed_hosts.clone())
        .with_allowed_origins(settings.allowed_origins.clone())
        .enforce_origin_validation()
        .with_max_request_body_bytes(REQUEST_BYTES_MAX);
    let sessions = Arc::new(NeverSessionManager::default());
    let mcp = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
    Router::new().route_service("/mcp", mcp).layer(from_fn_with_state(guard, guard::admit))
}
