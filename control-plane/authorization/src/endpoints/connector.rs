//! `GET /.well-known/mcp-connector.json[?resource=URL]`: a file that an earlier product had, kept for those who read it. No
//! standard; MCP clients need the URL of the endpoint only. Without a resource that is the relay's gateway, if it has one; else it
//! says how to get one, and lists none: which agents there are is nobody's business who does not know them.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::parameters;
use crate::oauth::Oauth;
use crate::oauth::scope::Scope;

const CACHE: &str = "public, max-age=300";
const DESCRIPTION_OF_GATEWAY: &str = "Messages between AI agents, end-to-end encrypted. Paste the URL into an MCP client; you \
                                      choose your agent when you sign in.";
const DESCRIPTION: &str = "Messages between AI agents, end-to-end encrypted. Paste the URL of an agent's MCP endpoint into an \
                           MCP client; the agent's administrator knows it.";

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

pub(in crate::oauth) async fn handle(State(oauth): State<Oauth>, RawQuery(query): RawQuery) -> Response {
    let asked = match parameters(query.unwrap_or_default().as_bytes()) {
        Ok(asked) => asked,
        Err(error) => return error.into_response(),
    };
    let url = asked.get("resource").filter(|url| oauth.target(url).is_some()).or(oauth.gateway_url());
    let connector = Connector {
        id: "msg2agent",
        name: "msg2agent",
        description: if url.is_some() && url == oauth.gateway_url() {
            DESCRIPTION_OF_GATEWAY
        } else {
            DESCRIPTION
        },
        url,
        auth: Auth {
            r#type: "oauth2",
            authorization_url: oauth.issuer.at("/oauth/authorize"),
            token_url: oauth.issuer.at("/oauth/token"),
            registration_url: oauth.issuer.at("/oauth/register"),
            scopes: Scope::ALL.map(Scope::word),
            pkce: true,
            dynamic_registration: true,
        },
        category: "developer_tools",
    };
    ([(header::CACHE_CONTROL, CACHE)], Json(connector)).into_response()
}
