//! Runs the MCP conformance suites: both requirement sets through the product's own HTTP stack with
//! fixtures behind it, and what needs no fixture against the shipped binary.

use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use daemon::https::{Listener, ListenerLimits, ListenerMetrics};
use devtools::repository;
use mcp_server::database::Database;
use mcp_server::endpoint::bearer::BearerAuth;
use mcp_server::endpoint::guard::Guard;
use mcp_server::endpoint::router::router;
use mcp_server::endpoint::sessions::Sessions;
use mcp_server::endpoint::settings::HttpSettings;
use mcp_server::message_store::MessageStore;
use mcp_server::metrics::EndpointMetrics;
use mcp_server::relay_connection::RelayConnection;
use mcp_server::server::Server;
use mcp_server::tool::Toolbox;
use msg2agent_tests::mcp_clients::{Conformance, McpClients};
use protocol::api_key::ApiKey;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::endpoint::Endpoint;
use crate::proxy::Proxy;
use fixture::Fixture;

mod fixture;

/// The scenarios that the shipped binary passes without any fixture. The others would pass
/// without meaning anything: a tool that is not there answers with an error, too.
const WITHOUT_FIXTURES: [&str; 10] = [
    "server-initialize",
    "ping",
    "tools-list",
    "server-sse-multiple-streams",
    "resources-list",
    "dns-rebinding-protection",
    "caching",
    "sep-2164-resource-not-found",
    "http-header-validation",
    "server-stateless",
];

/// The product's router, guard, sessions, listener and handler; the fixtures in front of the
/// handler; no relay behind it.
struct Fixtures {
    base: String,
    key: ApiKey,
    _shutdown: Shutdown,
    _folder: tempfile::TempDir,
}

impl Fixtures {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = prometheus::Registry::new();
        let metrics = EndpointMetrics::register(&registry).unwrap();
        let store = Arc::new(MessageStore::new(Database::in_memory().await.unwrap()));
        let endpoint = msg2agent::config::Endpoint::new("ws://127.0.0.1:9/ws").unwrap();
        let key = ApiKey::generate(&mut rand::rng());
        let did: msg2agent::Did = "did:wba:example.com:agent:acme:alice".parse().unwrap();
        let config = crate::endpoint::unconnected(endpoint, did, &key);
        let network = Arc::new(RelayConnection::new(config));
        let product = Server::new(Arc::new(Toolbox { network, store, metrics: metrics.clone() }));
        let guard = Guard::new(BearerAuth::new(key.hash(), None), Sessions::default(), metrics);
        let bound = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = bound.local_addr().unwrap();
        let settings = HttpSettings {
            listen: address,
            tls: None,
            allowed_hosts: vec!["127.0.0.1".into(), "localhost".into()],
            allowed_origins: vec!["http://localhost:*".into(), "http://127.0.0.1:*".into()],
            token: folder.path().join("token"),
            oauth: None,
        };
        let fixture = Fixture::new(product);
        let router = router(move || fixture.clone(), &settings, guard, "alice");
        let shutdown = Shutdown::new();
        let listener = Listener {
            socket: bound,
            tls: None,
            router,
            metrics: ListenerMetrics::register(&registry, "msg2agent_mcp").unwrap(),
            limits: ListenerLimits::new(64),
            connections: TaskTracker::new(),
        };
        tokio::spawn(listener.serve(shutdown.clone(), Duration::from_secs(5)));
        Self { base: format!("http://{address}"), key, _shutdown: shutdown, _folder: folder }
    }
}

async fn requirements(release: Conformance, arguments: &[&str]) {
    devtools::install_tls_provider();
    let (clients, fixtures) = (McpClients::installed().await.unwrap(), Fixtures::start().await);
    let proxy = Proxy::with_key(&fixtures.base, fixtures.key.reveal()).await;
    let url = proxy.url();
    let arguments = [&["server", "--url", url.as_str()], arguments].concat();
    let said = clients.conformance(release, &arguments).await.unwrap();
    assert!(said.success, "{}", said.output);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requirements_of_2026_07_28_are_met() {
    requirements(Conformance::Newest, &["--requirements", "2026-07-28"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requirements_of_2025_11_25_are_met() {
    requirements(Conformance::Newest, &["--requirements", "2025-11-25"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_released_suite_agrees() {
    requirements(Conformance::Stable, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_binary_meets_what_needs_no_fixture() {
    let (clients, endpoint) = (McpClients::installed().await.unwrap(), Endpoint::start_in_plaintext().await);
    let proxy = Proxy::with_key(&endpoint.base(), endpoint.key.reveal()).await;
    let url = proxy.url();
    let expected = repository().join("tests/mcp-clients/expected-failures.yml");
    let expected = expected.to_str().unwrap();
    let mut failed = Vec::new();
    for scenario in WITHOUT_FIXTURES {
        let arguments = ["server", "--url", &url, "--scenario", scenario, "--expected-failures", expected];
        let said = clients.conformance(Conformance::Newest, &arguments).await.unwrap();
        if !said.success {
            failed.push(said.output);
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
