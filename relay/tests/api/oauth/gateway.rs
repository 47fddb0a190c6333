//! A relay with an MCP gateway, and the gateway's questions.

use std::path::Path;

use msg2agent_relay::config::{Config, GatewayConfig};
use protocol::admin::McpSpec;
use protocol::api_key::ApiKey;
use protocol::introspection::{self, Introspection};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::person::{request, with_form};
use crate::harness::TestRelay;

pub(super) const GATEWAY: &str = "https://gateway.example/mcp";
pub(super) const TOKEN: &str = "gwt_for-whoever-tests";

/// Settings with a gateway at [`GATEWAY`] that presents [`TOKEN`].
pub(super) fn with_gateway(config: &mut Config, folder: &Path) {
    let token_file = token_file(folder);
    std::fs::write(&token_file, format!("{TOKEN}\n")).unwrap();
    config.oauth.gateway = Some(GatewayConfig { url: GATEWAY.into(), token_file });
}

pub(super) fn token_file(folder: &Path) -> std::path::PathBuf {
    folder.join("gateway-token")
}

/// Where the gateway reaches an agent.
pub(super) fn endpoint_of(name: &str) -> String {
    format!("https://{name}-mcp.default.svc/mcp")
}

/// An authorization request for the gateway.
pub(super) fn at_gateway(client_id: &str) -> String {
    request(client_id, &[("resource", GATEWAY)])
}

/// An agent that the gateway serves; answers its API key.
pub(super) async fn put_served(relay: &TestRelay, name: &str, accounts: &[&str]) -> ApiKey {
    let key = relay.agent_with_key(name).await;
    put_mcp(relay, name, accounts, Some(endpoint_of(name))).await;
    key
}

pub(super) async fn put_mcp(relay: &TestRelay, name: &str, accounts: &[&str], endpoint: Option<String>) {
    let url = format!("https://mcp.example/{name}");
    let accounts = accounts.iter().map(ToString::to_string).collect();
    let mcp = McpSpec { url, accounts, endpoint };
    relay.put(&format!("tenants/default/agents/{name}/mcp"), &mcp).await.unwrap();
}

/// One question with this bearer token.
pub(super) async fn ask_as(relay: &TestRelay, bearer: &str, credential: &str) -> Response {
    let request = relay.client.post(format!("{}{}", relay.url, introspection::PATH)).bearer_auth(bearer);
    with_form(request, &[("token", credential)]).send().await.unwrap()
}

/// What the gateway is told, as JSON.
pub(super) async fn ask(relay: &TestRelay, credential: &str) -> Value {
    let answer = ask_as(relay, TOKEN, credential).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.json().await.unwrap()
}

/// The same, as the gateway reads it.
pub(super) async fn told(relay: &TestRelay, credential: &str) -> Introspection {
    serde_json::from_value(ask(relay, credential).await).unwrap()
}

/// Why a credential opens nothing.
pub(super) async fn reason(relay: &TestRelay, credential: &str) -> String {
    let told = told(relay, credential).await;
    assert_eq!((told.active, &told.agent, &told.endpoint), (false, &None, &None));
    told.reason.unwrap().as_str().to_owned()
}
