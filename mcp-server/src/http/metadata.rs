//! Protected resource metadata (RFC 9728), which tells clients where to sign in. It is served at
//! both paths where clients look for it.

use axum::Router;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL,
    CONTENT_TYPE,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;

use crate::scope::Scope;

const ROOT: &str = "/.well-known/oauth-protected-resource";
/// RFC 9728 section 3.1: the path of the resource is appended.
const INSERTED: &str = "/.well-known/oauth-protected-resource/mcp";

/// The URL of the metadata of the resource at this URL.
#[must_use]
pub fn url(resource: &str) -> String {
    format!("{}{INSERTED}", resource.strip_suffix("/mcp").unwrap_or(resource))
}

/// The document is public, so any web page may read it.
const CORS: [(HeaderName, HeaderValue); 3] = [
    (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, OPTIONS")),
    (ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("MCP-Protocol-Version, Content-Type")),
];

/// Routes that need no credential.
pub fn routes(resource: &str, issuer: &str, display_name: &str) -> Router {
    let scopes = Scope::ALL.map(Scope::as_str);
    let document = json!({
        "resource": resource,
        "authorization_servers": [issuer],
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header"],
        "resource_name": format!("msg2agent: {display_name}"),
    })
    .to_string();
    let answer = get(move || {
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        ];
        std::future::ready((CORS, headers, document.clone()).into_response())
    })
    .options(|| std::future::ready((StatusCode::NO_CONTENT, CORS)));
    Router::new().route(ROOT, answer.clone()).route(INSERTED, answer)
}
