//! The server card (draft SEP-2127): what a catalogue or a client learns of this endpoint before it connects. At the draft's place and
//! at the one of the drafts before.

use axum::Router;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;
use rmcp::model::ProtocolVersion;
use serde_json::json;

const PLACES: [&str; 2] = ["/mcp/server-card", "/.well-known/mcp/server-card.json"];

/// Routes that need no credential. `name` is the DID of an agent, which whoever may connect learns anyway, or the host of a gateway.
pub fn routes(url: &str, name: &str) -> Router {
    let document = json!({
        "name": "xyz.msg2agent/mcp-server",
        "title": format!("msg2agent: {name}"),
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
        // Public by nature, so that any web page may read it.
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    let answer = get(move || std::future::ready((headers, document.clone())));
    PLACES.into_iter().fold(Router::new(), |router, place| router.route(place, answer.clone()))
}
