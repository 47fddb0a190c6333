//! An authorization server on a port of its own, for a relay that is not there.

use std::sync::Arc;

use daemon::https::{Listener, ListenerLimits, ListenerMetrics};
use daemon::{Shutdown, Tasks};
use msg2agent_authorization::{AuthorizationServer, GatewaySettings, Settings, Setup};
use prometheus::Registry;
use reqwest::{Response, header};
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::fake_relay::{DOMAIN, FakeRelay};

pub(crate) const ISSUER: &str = "https://relay.example";
pub(crate) const GATEWAY: &str = "https://gateway.example/mcp";
pub(crate) const GATEWAY_TOKEN: &str = "the-token-of-the-gateway";

/// The time of every test, in Unix seconds.
const NOW: u64 = 1_800_000_000;

pub(crate) struct TestServer {
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
    pub(crate) relay: Arc<FakeRelay>,
    pub(crate) server: AuthorizationServer,
    _tasks: Tasks,
    _folder: TempDir,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let token_file = folder.path().join("gateway-token");
        std::fs::write(&token_file, GATEWAY_TOKEN).unwrap();
        let registry = Registry::new();
        let gateway = GatewaySettings { url: GATEWAY.into(), token_file };
        let setup = Setup {
            settings: Settings { gateway: Some(gateway), ..Settings::default() },
            issuer: ISSUER.parse().unwrap(),
            domain: DOMAIN.parse().unwrap(),
            data_dir: folder.path().to_owned(),
            pool: database(&folder).await,
            clock: Arc::new(|| NOW),
            registry: &registry,
        };
        let relay = Arc::new(FakeRelay::default());
        let server = msg2agent_authorization::open(setup, Arc::clone(&relay) as _).await.unwrap();
        let tasks = Tasks::new(Shutdown::new());
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let listener = Listener {
            socket,
            tls: None,
            router: server.router(),
            metrics: ListenerMetrics::register(&registry, "test").unwrap(),
            limits: ListenerLimits::new(100),
            connections: TaskTracker::new(),
        };
        tasks.spawn("listener", listener.run(tasks.shutdown().clone()));
        server.spawn_tasks(&tasks, &tasks.shutdown().clone());
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { url, client, relay, server, _tasks: tasks, _folder: folder }
    }

    pub(crate) async fn get_json(&self, path: &str) -> Value {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    /// Posts a form; `bearer` is the credential in the `Authorization` header.
    pub(crate) async fn post_form(
        &self,
        path: &str,
        form: &[(&str, &str)],
        bearer: Option<&str>,
    ) -> Response {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(encode(form));
        let request = if let Some(bearer) = bearer { request.bearer_auth(bearer) } else { request };
        request.send().await.unwrap()
    }
}

pub(crate) fn encode(form: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

/// A database with the relay's tables and the agent that invitations and grants refer to.
async fn database(folder: &TempDir) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("relay.db"))
        .create_if_missing(true)
        .foreign_keys(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    sqlx::migrate!("../../relay/migrations").run(&pool).await.unwrap();
    for statement in [
        "insert into tenants (tenant, display_name, suspended) values ('default', 'Default', 0)",
        "insert into agents (tenant, name, suspended) values ('default', 'alice', 0)",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    pool
}
