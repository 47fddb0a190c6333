//! `GET /.well-known/oauth-authorization-server[/…]` and `/.well-known/openid-configuration[/…]`
//! (RFC 8414). Both return the same document, because clients differ in where they look.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::state::SharedState;
use crate::grants::scope::Scope;

/// Short, because some clients cache the document for days if they may.
const CACHE_CONTROL: &str = "public, max-age=300";

#[derive(Serialize)]
struct ServerMetadata<'a> {
    issuer: &'a str,
    authorization_endpoint: String,
    token_endpoint: String,
    registration_endpoint: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    jwks_uri: String,
    scopes_supported: [&'static str; 3],
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 2],
    code_challenge_methods_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 1],
    revocation_endpoint_auth_methods_supported: [&'static str; 1],
    client_id_metadata_document_supported: bool,
    authorization_response_iss_parameter_supported: bool,
}

pub(crate) async fn handle(State(server): State<SharedState>) -> Response {
    let issuer = &server.issuer;
    let metadata = ServerMetadata {
        issuer: issuer.as_str(),
        authorization_endpoint: issuer.at("/oauth/authorize"),
        token_endpoint: issuer.at("/oauth/token"),
        registration_endpoint: issuer.at("/oauth/register"),
        revocation_endpoint: issuer.at("/oauth/revoke"),
        introspection_endpoint: issuer.at("/oauth/introspect"),
        jwks_uri: issuer.at("/oauth/jwks"),
        scopes_supported: Scope::ALL.map(Scope::as_str),
        response_types_supported: ["code"],
        response_modes_supported: ["query"],
        grant_types_supported: ["authorization_code", "refresh_token"],
        code_challenge_methods_supported: ["S256"],
        token_endpoint_auth_methods_supported: ["none"],
        revocation_endpoint_auth_methods_supported: ["none"],
        client_id_metadata_document_supported: true,
        authorization_response_iss_parameter_supported: true,
    };
    ([(header::CACHE_CONTROL, CACHE_CONTROL)], Json(metadata)).into_response()
}
