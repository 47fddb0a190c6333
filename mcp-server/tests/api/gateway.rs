//! The gateway in front of two endpoints and a scripted relay: where it forwards requests, and each
//! reason why it rejects one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use daemon::Shutdown;
use daemon::https::{Listener, ListenerLimits, ListenerMetrics};
use daemon::token_file::{ReloadingToken, TokenFile};
use msg2agent_mcp_server::gateway::allowed_hosts::AllowedHosts;
use msg2agent_mcp_server::gateway::introspection_client::IntrospectionClient;
use msg2agent_mcp_server::gateway::metrics::GatewayMetrics;
use msg2agent_mcp_server::gateway::process::GATEWAY_CONNECTIONS_MAX;
use msg2agent_mcp_server::gateway::proxy::{self, Proxy, ProxyParts};
use msg2agent_mcp_server::gateway::resolver::EndpointResolver;
use msg2agent_mcp_server::http::outbound::Outbound;
use prometheus::{Registry, TextEncoder};
use protocol::api_key::ApiKey;
use protocol::introspection::{self, Inactive, Introspection};
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::test_endpoint::{TestEndpoint, send_with_slash};

const URL: &str = "https://gateway.example.com/mcp";
const METADATA: &str = "https://gateway.example.com/.well-known/oauth-protected-resource/mcp";

/// Answers introspections as a test scripted it.
#[derive(Clone, Default)]
struct Relay {
    answers: Arc<Mutex<HashMap<String, Introspection>>>,
    asked: Arc<AtomicU64>,
    is_away: Arc<AtomicBool>,
}

impl Relay {
    fn say(&self, credential: &str, answer: Introspection) {
        self.answers.lock().unwrap().insert(credential.to_owned(), answer);
    }

    fn route(&self, credential: &str, agent: &str, endpoint: String) {
        let agent = Some(format!("did:wba:example.com:agent:acme:{agent}").parse().unwrap());
        let endpoint = Some(endpoint);
        self.say(credential, Introspection { active: true, agent, endpoint, ..Introspection::default() });
    }

    async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route(introspection::PATH, post(answer)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }
}

async fn answer(State(relay): State<Relay>, form: String) -> Response {
    relay.asked.fetch_add(1, Ordering::Relaxed);
    if relay.is_away.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let credential = form.strip_prefix("token=").unwrap();
    let unknown = || Introspection { reason: Some(Inactive::KeyUnknown), ..Introspection::default() };
    Json(relay.answers.lock().unwrap().get(credential).cloned().unwrap_or_else(unknown)).into_response()
}

pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    relay: Relay,
    shutdown: Shutdown,
    closing_streams: Shutdown,
    registry: Registry,
}

impl Gateway {
    async fn start() -> Self {
        Self::start_with(None).await
    }

    pub(crate) async fn start_with(tls: Option<Arc<ServerConfig>>) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let relay = Relay::default();
        let asked = format!("http://{}{}", relay.start().await, introspection::PATH);
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "gateway-token").unwrap();
        let outbound = Outbound::open(PathBuf::new()).unwrap();
        let registry = Registry::new();
        let metrics = GatewayMetrics::register(&registry).unwrap();
        let token: ReloadingToken = ReloadingToken::open(TokenFile::new(&token)).await.unwrap();
        let client = IntrospectionClient::new(&asked, outbound.clone(), token);
        let (shutdown, closing_streams) = (Shutdown::new(), Shutdown::new());
        let proxy = Proxy::new(ProxyParts {
            allowed_hosts: AllowedHosts {
                hosts: vec!["127.0.0.1".into()],
                origins: vec!["https://app.example.com".into()],
            },
            resolver: EndpointResolver::new(client, metrics.clone()),
            outbound,
            metrics,
            public_url: URL.into(),
            shutdown: shutdown.clone(),
            closing_streams: closing_streams.clone(),
        });
        let router = proxy::router(proxy, URL, "https://relay.example.com", "gateway.example.com");
        let bound = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = bound.local_addr().unwrap();
        let listener = Listener {
            socket: bound,
            tls,
            router,
            metrics: ListenerMetrics::register(&registry, "msg2agent_gateway").unwrap(),
            limits: ListenerLimits::new(GATEWAY_CONNECTIONS_MAX),
            connections: TaskTracker::new(),
        };
        tokio::spawn(listener.serve(closing_streams.clone(), Duration::from_secs(5)));
        Self { address, relay, shutdown, closing_streams, registry }
    }

    /// Adds an endpoint behind the gateway.
    async fn with_agent(&self, name: &str) -> TestEndpoint {
        let served = TestEndpoint::start().await;
        self.relay.route(served.key.reveal(), name, served.url());
        served
    }

    fn call(&self, credential: &str, tool: &str, arguments: &Value) -> reqwest::RequestBuilder {
        let params = json!({"name": tool, "arguments": arguments, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }});
        self.post(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}))
            .bearer_auth(credential)
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool)
    }

    fn post(&self, body: &Value) -> reqwest::RequestBuilder {
        reqwest::Client::new()
            .post(format!("http://{}/mcp", self.address))
            .header("accept", "application/json, text/event-stream")
            .json(body)
    }

    fn asked(&self) -> u64 {
        self.relay.asked.load(Ordering::Relaxed)
    }
}

async fn refusal(request: reqwest::RequestBuilder) -> (u16, String, Option<String>) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let retry = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    let reason = response.json::<Value>().await.unwrap()["reason"].as_str().unwrap().to_owned();
    (status, reason, retry)
}

fn some_key() -> String {
    ApiKey::generate(&mut rand::rng()).reveal().to_owned()
}

#[tokio::test]
async fn each_credential_reaches_the_endpoint_of_its_agent() {
    let gateway = Gateway::start().await;
    let (alice, bob) = (gateway.with_agent("alice").await, gateway.with_agent("bob").await);
    alice.arrive(1, "for alice alone").await;
    for (served, count) in [(&alice, 1), (&bob, 0)] {
        let answer = gateway.call(served.key.reveal(), "message_count", &json!({})).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["result"]["structuredContent"]["unread"], json!(count), "{answer}");
    }
    let again = gateway.call(alice.key.reveal(), "message_count", &json!({})).send().await.unwrap();
    assert_eq!((again.status().as_u16(), gateway.asked()), (200, 2), "the relay is asked once a credential");
}

#[tokio::test]
async fn a_slash_at_the_end_of_the_gateway_s_url_leads_to_the_same_place() {
    let gateway = Gateway::start().await;
    let alice = gateway.with_agent("alice").await;
    let response = send_with_slash(gateway.post(&json!({}))).await;
    assert_eq!(response.status(), 401);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains(&format!(r#"resource_metadata="{METADATA}""#)), "{challenge}");
    let call = gateway.call(alice.key.reveal(), "message_count", &json!({}));
    assert_eq!(send_with_slash(call).await.status(), 200);
}

#[tokio::test]
async fn a_session_of_one_agent_is_unknown_to_another() {
    let gateway = Gateway::start().await;
    let (alice, bob) = (gateway.with_agent("alice").await, gateway.with_agent("bob").await);
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let made = gateway.post(&hello).bearer_auth(alice.key.reveal()).send().await.unwrap();
    let session = made.headers()["mcp-session-id"].clone();
    let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
    let as_agent = |served: &TestEndpoint| {
        gateway.post(&ping).bearer_auth(served.key.reveal()).header("mcp-session-id", session.clone())
    };
    assert_eq!(as_agent(&alice).send().await.unwrap().status(), 200);
    assert_eq!(refusal(as_agent(&bob)).await.1, "unknown_session");
}

#[tokio::test]
async fn a_request_without_a_credential_gets_the_authorization_server() {
    let gateway = Gateway::start().await;
    let response = gateway.post(&json!({})).send().await.unwrap();
    assert_eq!(response.status(), 401);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains(&format!(r#"resource_metadata="{METADATA}""#)), "{challenge}");
    let url = format!("http://{}/.well-known/oauth-protected-resource/mcp", gateway.address);
    let metadata: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(metadata["resource"], URL);
}

#[tokio::test]
async fn what_the_relay_does_not_know_is_refused_with_its_reason() {
    let gateway = Gateway::start().await;
    let (unknown, suspended, tenants) = (some_key(), some_key(), some_key());
    let inactive = |reason: Inactive| Introspection { reason: Some(reason), ..Introspection::default() };
    gateway.relay.say(&suspended, inactive(Inactive::Suspended));
    gateway.relay.say(&tenants, inactive(Inactive::KeyOfTenant));
    for (key, status, reason) in
        [(&unknown, 401, "key_unknown"), (&suspended, 403, "suspended"), (&tenants, 403, "key_of_a_tenant")]
    {
        let refused = refusal(gateway.call(key, "message_count", &json!({}))).await;
        assert_eq!((refused.0, refused.1.as_str()), (status, reason));
    }
    let asked = gateway.asked();
    for junk in ["password", "a.b.c", "sk_live_"] {
        assert_eq!(refusal(gateway.call(junk, "message_count", &json!({}))).await.0, 401);
    }
    assert_eq!(gateway.asked(), asked, "what has no form of ours costs the relay nothing");
    let counted = TextEncoder::new().encode_to_string(&gateway.registry.gather()).unwrap();
    assert!(counted.contains(r#"msg2agent_gateway_refused_total{reason="suspended"} 1"#), "{counted}");
    assert!(counted.contains("msg2agent_gateway_credentials 0"), "strangers take no memory: {counted}");
}

#[tokio::test]
async fn while_the_relay_is_down_cached_credentials_work_and_others_get_503() {
    let gateway = Gateway::start().await;
    let alice = gateway.with_agent("alice").await;
    let call = || gateway.call(alice.key.reveal(), "message_count", &json!({}));
    assert_eq!(call().send().await.unwrap().status(), 200);
    gateway.relay.is_away.store(true, Ordering::Relaxed);
    assert_eq!(call().send().await.unwrap().status(), 200);
    let refused = refusal(gateway.call(&some_key(), "message_count", &json!({}))).await;
    assert_eq!(refused, (503, "issuer_unreachable".into(), Some("5".into())));
}

#[tokio::test]
async fn an_unreachable_endpoint_is_reported_with_retry_after() {
    let gateway = Gateway::start().await;
    let (absent, rude) = (some_key(), some_key());
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    gateway.relay.route(&absent, "alice", format!("http://{closed}/mcp"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    gateway.relay.route(&rude, "bob", format!("http://{}/mcp", listener.local_addr().unwrap()));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            drop(tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 64]).await);
        }
    });
    let refused = refusal(gateway.call(&absent, "message_count", &json!({}))).await;
    assert_eq!(refused, (503, "endpoint_unreachable".into(), Some("2".into())));
    let refused = refusal(gateway.call(&rude, "message_count", &json!({}))).await;
    assert_eq!(refused, (502, "endpoint_interrupted".into(), Some("2".into())));
}

#[tokio::test]
async fn names_of_somebody_else_are_refused_before_anybody_is_asked() {
    let gateway = Gateway::start().await;
    let alice = gateway.with_agent("alice").await;
    let call = || gateway.call(alice.key.reveal(), "message_count", &json!({}));
    assert_eq!(refusal(call().header("host", "evil.example")).await.1, "foreign_host");
    assert_eq!(refusal(call().header("origin", "https://evil.example")).await.1, "foreign_origin");
    assert_eq!(gateway.asked(), 0);
    let page = call().header("origin", "https://app.example.com").send().await.unwrap();
    assert_eq!(page.status(), 200, "the endpoint knows nothing of pages: the gateway has looked");
}

#[tokio::test]
async fn before_it_leaves_it_sends_clients_elsewhere_and_ends_their_streams() {
    let gateway = Gateway::start().await;
    let alice = gateway.with_agent("alice").await;
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let made = gateway.post(&hello).bearer_auth(alice.key.reveal()).send().await.unwrap();
    let mut stream = reqwest::Client::new()
        .get(format!("http://{}/mcp", gateway.address))
        .bearer_auth(alice.key.reveal())
        .header("accept", "text/event-stream")
        .header("mcp-session-id", made.headers()["mcp-session-id"].clone())
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), 200);
    gateway.shutdown.begin();
    let call = gateway.call(alice.key.reveal(), "message_count", &json!({})).send().await.unwrap();
    assert_eq!((call.status().as_u16(), call.headers()["connection"].to_str().unwrap()), (200, "close"));
    gateway.closing_streams.begin();
    let ended = async { while let Some(_event) = stream.chunk().await.unwrap() {} };
    tokio::time::timeout(Duration::from_secs(5), ended).await.expect("the stream ends with its gateway");
}
