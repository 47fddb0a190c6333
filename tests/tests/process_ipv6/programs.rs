//! Each program serves in a pod that has no IPv4 address.

use clap::Parser as _;
use crds::{Relay, name};
use daemon::listen::every_address;
use operator::relay::{build, gateway};
use operator::settings::Settings;
use protocol::Identity;
use protocol::api_key::ApiKey;
use serde_json::json;

use crate::node::Node;
use crate::pod::{ADDRESS, Pod};
use crate::pod_files::PodFiles;

fn relay_object() -> Relay {
    let relay = json!({
        "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Relay",
        "metadata": { "name": "main", "namespace": "team", "uid": "1" },
        "spec": { "domain": "agents.example.com", "gateway": { "enabled": true } },
    });
    serde_json::from_value(relay).unwrap()
}

#[tokio::test]
async fn the_relay_serves_with_the_settings_file_of_the_operator() {
    let test = "programs::the_relay_serves_with_the_settings_file_of_the_operator";
    let Some(node) = Node::enter(test) else { return };
    let files = PodFiles::new();
    let data = build::config_map(&relay_object(), "cluster.local").unwrap().data.unwrap();
    let text = files.localized(data.values().next().unwrap());
    let settings: toml::Table = text.parse().unwrap();
    for token in ["run/admin/token", "run/gateway/token"] {
        files.write(token, "token-token-token-token-token-token");
    }
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    files.write("run/oauth-keys/1.pem", &key.serialize_pem());
    let path = files.write("relay.toml", &text).display().to_string();
    let listen = |setting: &str| settings.get(setting)?.as_str()?.parse().ok();
    let health = listen("health_listen").or_else(|| listen("admin_listen")).unwrap();
    let mut pod = Pod::start(&node).await;
    pod.run("msg2agent-relay", &["--config", &path], Vec::new(), files.path(), health).await;
    assert_eq!(pod.get(listen("listen").unwrap(), "/oauth/jwks", &files.ca).await, 200);
}

#[tokio::test]
async fn the_gateway_serves_with_the_environment_of_the_operator() {
    let test = "programs::the_gateway_serves_with_the_environment_of_the_operator";
    let Some(node) = Node::enter(test) else { return };
    let files = PodFiles::new();
    files.write("run/token/token", "token-token-token-token-token-token");
    let settings = Settings::parse_from(["msg2agent-operator"]);
    let template = gateway::build::deployment(&relay_object(), &settings, Some(1)).spec.unwrap().template;
    let rendered = template.spec.unwrap().containers[0].env.clone().unwrap();
    let environment: Vec<_> =
        rendered.into_iter().map(|it| (it.name, files.localized(&it.value.unwrap()))).collect();
    let listen = |name: &str| environment.iter().find(|(found, _)| found == name).unwrap().1.parse().unwrap();
    let (public, health) = (listen("MSG2AGENT_GATEWAY_LISTEN"), listen("MSG2AGENT_GATEWAY_ADMIN_LISTEN"));
    let mut pod = Pod::start(&node).await;
    pod.run("msg2agent-mcp-server", &["gateway"], environment, files.path(), health).await;
    assert_ne!(pod.get(public, "/mcp", &files.ca).await, 200, "the request has no credential");
}

#[tokio::test]
async fn an_endpoint_serves_and_the_url_of_its_relay_may_be_an_ipv6_address() {
    let test = "programs::an_endpoint_serves_and_the_url_of_its_relay_may_be_an_ipv6_address";
    let Some(node) = Node::enter(test) else { return };
    let files = PodFiles::new();
    let did = "did:wba:agents.example.com:agent:acme:alice".parse().unwrap();
    let identity = Identity::generate(did, 0, &mut rand::rng());
    files.write("run/url", &format!("wss://[{ADDRESS}]:9443/ws"));
    files.write("run/did", identity.did().as_str());
    files.write("run/token", ApiKey::generate(&mut rand::rng()).reveal());
    files.write("run/identity.json", &identity.to_key_file());
    let path = |name: &str| files.path().join(name).display().to_string();
    let (public, health) = (every_address(name::MCP_POD_PORT), every_address(name::MCP_ADMIN_PORT));
    let environment = [
        ("MSG2AGENT_DIR", path("run")),
        ("MSG2AGENT_MCP_TRANSPORT", "http".to_owned()),
        ("MSG2AGENT_MCP_STATE_DIR", path("state")),
        ("MSG2AGENT_MCP_LISTEN", public.to_string()),
        ("MSG2AGENT_MCP_ADMIN_LISTEN", health.to_string()),
        ("MSG2AGENT_MCP_TLS_CERT", path("run/tls/tls.crt")),
        ("MSG2AGENT_MCP_TLS_KEY", path("run/tls/tls.key")),
        ("MSG2AGENT_MCP_ALLOWED_HOSTS", format!("[{ADDRESS}]")),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
    let mut pod = Pod::start(&node).await;
    pod.run("msg2agent-mcp-server", &[], environment, files.path(), health).await;
    assert_eq!(pod.get(public, "/mcp", &files.ca).await, 401);
}

#[tokio::test]
async fn the_operator_serves_while_it_waits_for_the_api_server() {
    let test = "programs::the_operator_serves_while_it_waits_for_the_api_server";
    let Some(node) = Node::enter(test) else { return };
    let files = PodFiles::new();
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
        "clusters": [{ "name": "test", "cluster": { "server": format!("https://[{ADDRESS}]:6443") } }],
        "users": [{ "name": "test", "user": { "token": "not-a-token" } }],
    });
    let path = files.write("kubeconfig", &kubeconfig.to_string()).display().to_string();
    let authorities = files.path().join("run/tls/ca.crt").display().to_string();
    let environment = vec![("KUBECONFIG".to_owned(), path), ("SSL_CERT_FILE".to_owned(), authorities)];
    let health = Settings::parse_from(["msg2agent-operator"]).admin_listen;
    let mut pod = Pod::start(&node).await;
    pod.run("msg2agent-operator", &[], environment, files.path(), health).await;
}
