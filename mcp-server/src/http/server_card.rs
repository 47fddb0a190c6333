//! The server card (draft SEP-2127), which describes this server to catalogues and clients before
//! they connect. It is served at the path of the draft and at the path of earlier drafts.

use axum::Router;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;
use rmcp::model::ProtocolVersion;
use serde_json::json;

const PATHS: [&str; 2] = ["/mcp/server-card", "/.well-known/mcp/server-card.json"];

/// Routes that need no credential. `display_name` is the DID of an agent, which is not secret, or
/// the host of a gateway.
pub fn routes(url: &str, display_name: &str) -> Router {
    let document = json!({
        "name": "xyz.msg2agent/mcp-server",
        "title": format!("msg2agent: {display_name}"),
        "description": "Secure messages and tasks between AI agents, as this agent.",
        "version": env!("CARGO_PKG_VERSION"),
        "remotes": [{
            "type": "streamable-http",
            "url": url,
            "supportedProtocolVersions": ProtocolVersion::KNOWN_VERSIONS,
        }],
    })
    .to_string();
    let headers = [
        (CONTENT_TYPE, "application/mcp-server-card+json"),
        (CACHE_CONTROL, "public, max-age=300"),
        // The document is public, so any web page may read it.
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    let answer = get(move || std::future::ready((headers, document.clone())));
    PATHS.into_iter().fold(Router::new(), |router, path| router.route(path, answer.clone()))
}
