//! A relay with an MCP gateway, and introspection as the gateway calls it.

use std::path::Path;

use authorization::GatewaySettings;
use msg2agent_relay::config::Config;
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
    config.oauth.gateway = Some(GatewaySettings { url: GATEWAY.into(), token_file });
}

pub(super) fn token_file(folder: &Path) -> std::path::PathBuf {
    folder.join("gateway-token")
}

/// The address at which the gateway reaches an agent.
pub(super) fn endpoint_of(name: &str) -> String {
    format!("https://{name}-mcp.default.svc/mcp")
}

/// An authorization request for the gateway.
pub(super) fn at_gateway(client_id: &str) -> String {
    request(client_id, &[("resource", GATEWAY)])
}

/// Creates an agent that the gateway serves; returns its API key.
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

/// Sends one introspection request with this bearer token.
pub(super) async fn introspect_as(relay: &TestRelay, bearer: &str, credential: &str) -> Response {
    let request = relay.client.post(format!("{}{}", relay.url, introspection::PATH)).bearer_auth(bearer);
    with_form(request, &[("token", credential)]).send().await.unwrap()
}

/// The introspection response to the gateway, as JSON.
pub(super) async fn introspect_as_gateway(relay: &TestRelay, credential: &str) -> Value {
    let answer = introspect_as(relay, TOKEN, credential).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.json().await.unwrap()
}

/// The introspection response to the gateway, as the gateway reads it.
pub(super) async fn introspection(relay: &TestRelay, credential: &str) -> Introspection {
    serde_json::from_value(introspect_as_gateway(relay, credential).await).unwrap()
}

/// The reason why a credential is inactive.
pub(super) async fn reason(relay: &TestRelay, credential: &str) -> String {
    let introspection = introspection(relay, credential).await;
    assert_eq!((introspection.active, &introspection.agent, &introspection.endpoint), (false, &None, &None));
    introspection.reason.unwrap().as_str().to_owned()
}
