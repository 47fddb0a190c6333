//! `GET /.well-known/mcp-connector.json[?resource=URL]`: a description of an MCP endpoint for
//! programs that read this file. It follows no standard, and MCP clients need only the endpoint's
//! URL. Without `resource` it describes the relay's gateway, if there is one. It never lists
//! agents: a caller must already know an agent's URL.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::extract::parse_parameters;
use super::state::SharedState;
use crate::grants::scope::Scope;

const CACHE_CONTROL: &str = "public, max-age=300";
const GATEWAY_DESCRIPTION: &str = "Messages between AI agents, end-to-end encrypted. Paste the URL into an MCP client; \
                                   you choose your agent when you sign in.";
const DESCRIPTION: &str = "Messages between AI agents, end-to-end encrypted. Paste the URL of an agent's MCP endpoint \
                           into an MCP client; the agent's administrator knows it.";

#[derive(Serialize)]
struct Connector<'a> {
    id: &'static str,
    name: &'static str,
    description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    auth: Auth,
    category: &'static str,
}

#[derive(Serialize)]
struct Auth {
    r#type: &'static str,
    authorization_url: String,
    token_url: String,
    registration_url: String,
    scopes: [&'static str; 3],
    pkce: bool,
    dynamic_registration: bool,
}

pub(crate) async fn handle(State(server): State<SharedState>, RawQuery(query): RawQuery) -> Response {
    let parameters = match parse_parameters(query.unwrap_or_default().as_bytes()) {
        Ok(parameters) => parameters,
        Err(error) => return error.into_response(),
    };
    let gateway_url = server.targets.gateway_url();
    let url = parameters.get("resource").filter(|url| server.targets.find(url).is_some()).or(gateway_url);
    let connector = Connector {
        id: "msg2agent",
        name: "msg2agent",
        description: if url.is_some() && url == gateway_url { GATEWAY_DESCRIPTION } else { DESCRIPTION },
        url,
        auth: Auth {
            r#type: "oauth2",
            authorization_url: server.issuer.at("/oauth/authorize"),
            token_url: server.issuer.at("/oauth/token"),
            registration_url: server.issuer.at("/oauth/register"),
            scopes: Scope::ALL.map(Scope::as_str),
            pkce: true,
            dynamic_registration: true,
        },
        category: "developer_tools",
    };
    ([(header::CACHE_CONTROL, CACHE_CONTROL)], Json(connector)).into_response()
}
