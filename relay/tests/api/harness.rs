//! The test harness: runs a relay in this process, with a client of its admin API.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use daemon::telemetry::Format;
use msg2agent_relay::config::{Config, Limits};
use msg2agent_relay::directory::Directory;
use msg2agent_relay::startup::Relay;
use protocol::admin::{AgentKey, AgentSpec, Applied, Problem};
use protocol::api_key::ApiKey;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

/// Longer than any step of these tests takes on a busy machine.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(20);
pub(crate) const DOMAIN: &str = "localhost";

pub(crate) struct TestRelay {
    pub(crate) url: String,
    pub(crate) address: std::net::SocketAddr,
    /// With TLS, its certificate is the one of the public listener.
    pub(crate) admin_url: String,
    pub(crate) health_url: String,
    pub(crate) client: reqwest::Client,
    pub(crate) directory: Arc<Directory>,
    token: String,
    shutdown: Shutdown,
    running: tokio::task::JoinHandle<anyhow::Result<()>>,
    folder: Arc<TempDir>,
}

pub(crate) fn config(folder: &Path) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        admin_listen: "127.0.0.1:0".parse().unwrap(),
        health_listen: Some("127.0.0.1:0".parse().unwrap()),
        domain: Some(DOMAIN.parse().unwrap()),
        public_url: None,
        data_dir: folder.join("data"),
        tls: None,
        insecure_plaintext: false,
        insecure_admin_plaintext: false,
        admin_token_file: folder.join("data/admin-token"),
        log_format: Format::Text,
        log_filter: "info".into(),
        otlp_endpoint: None,
        drain_timeout: Duration::from_secs(5),
        oauth: authorization::Settings::default(),
        limits: Limits::default(),
        ignored_settings: Vec::new(),
    }
}

pub(crate) async fn start() -> TestRelay {
    start_with(|_, _| {}).await
}

pub(crate) async fn start_with(change: impl FnOnce(&mut Config, &Path)) -> TestRelay {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let mut config = config(folder.path());
    change(&mut config, folder.path());
    start_in(folder, config, |relay| relay).await
}

/// Starts a relay in this folder, after `prepare` has changed it.
pub(crate) async fn start_in(
    folder: Arc<TempDir>,
    config: Config,
    prepare: impl FnOnce(Relay) -> Relay,
) -> TestRelay {
    // A second installation fails; the first one installed the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (token_file, has_admin_tls) = (config.admin_token_file.clone(), config.has_admin_tls());
    let relay = prepare(Relay::bind(config, daemon::build_info!()).await.unwrap());
    let address = relay.public_address().unwrap();
    let scheme = if has_admin_tls { "https" } else { "http" };
    let admin_url = format!("{scheme}://{}", relay.admin_address().unwrap());
    let health_url = format!("http://{}", relay.health_address().unwrap());
    let token = std::fs::read_to_string(token_file).unwrap();
    let shutdown = Shutdown::new();
    let directory = relay.directory();
    let running = tokio::spawn(relay.run(shutdown.clone()));
    let client = reqwest::Client::new();
    TestRelay {
        url: format!("http://{address}"),
        address,
        admin_url,
        health_url,
        client,
        directory,
        token,
        shutdown,
        running,
        folder,
    }
}

impl TestRelay {
    /// Stops the relay and starts another one on the same folder.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_, _| {}).await
    }

    /// The same, with changed settings.
    pub(crate) async fn restart_with(self, change: impl FnOnce(&mut Config, &Path)) -> Self {
        let folder = Arc::clone(&self.folder);
        self.stop().await;
        let mut config = config(folder.path());
        change(&mut config, folder.path());
        start_in(folder, config, |relay| relay).await
    }

    /// Stops the relay, changes its mailbox file, and starts another one.
    pub(crate) async fn restart_on(self, change: impl AsyncFnOnce(&Path)) -> Self {
        let (folder, file) = (Arc::clone(&self.folder), self.mailbox_file());
        self.stop().await;
        change(&file).await;
        let config = config(folder.path());
        start_in(folder, config, |relay| relay).await
    }

    pub(crate) async fn stop(self) {
        self.begin_shutdown();
        tokio::time::timeout(TEST_TIMEOUT, self.running).await.unwrap().unwrap().unwrap();
    }

    pub(crate) fn begin_shutdown(&self) {
        self.shutdown.begin();
    }

    /// The relay's SQLite file.
    pub(crate) fn store_file(&self) -> std::path::PathBuf {
        msg2agent_relay::store::path(&self.folder.path().join("data"))
    }

    /// The SQLite file of the mailboxes.
    pub(crate) fn mailbox_file(&self) -> std::path::PathBuf {
        msg2agent_relay::store::mailbox_path(&self.folder.path().join("data"))
    }

    pub(crate) fn token_file(&self) -> std::path::PathBuf {
        self.folder.path().join("data/admin-token")
    }

    /// Sends one request to the admin API and parses the body, or the problem, of the response.
    pub(crate) async fn admin<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Problem> {
        self.admin_with(&[], method, path, body).await
    }

    /// The same, with headers.
    pub(crate) async fn admin_with<T: DeserializeOwned>(
        &self,
        headers: &[(&'static str, &str)],
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Problem> {
        let request = self.client.request(method, format!("{}/admin/v1/{path}", self.admin_url));
        let request = request.bearer_auth(&self.token);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = if let Some(body) = body { request.json(body) } else { request };
        let answer = request.send().await.unwrap();
        if answer.status() == StatusCode::OK {
            return Ok(answer.json().await.unwrap());
        }
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        Err(answer.json().await.unwrap())
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        self.admin(Method::GET, path, None::<&()>).await
    }

    pub(crate) async fn put(&self, path: &str, body: &impl Serialize) -> Result<u64, Problem> {
        self.admin::<Applied>(Method::PUT, path, Some(body)).await.map(|applied| applied.version)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<u64, Problem> {
        self.admin::<Applied>(Method::DELETE, path, None::<&()>).await.map(|applied| applied.version)
    }

    /// Declares an agent of the default tenant with a new key.
    pub(crate) async fn agent_with_key(&self, name: &str) -> ApiKey {
        let key = new_key();
        self.put(&format!("tenants/default/agents/{name}"), &agent_spec(&[(&key, None)])).await.unwrap();
        key
    }

    /// The value of the first line of `/metrics` that starts with `name`.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let text = self.client.get(format!("{}/metrics", self.health_url)).send().await.unwrap();
        let text = text.text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.rsplit(' ').next()?.parse().ok()
    }
}

pub(crate) fn new_key() -> ApiKey {
    ApiKey::generate(&mut rand::rng())
}

pub(crate) fn agent_spec(keys: &[(&ApiKey, Option<u64>)]) -> AgentSpec {
    let keys = keys.iter().map(|(key, not_after)| AgentKey { sha256: key.hash(), not_after: *not_after });
    AgentSpec { keys: keys.collect(), ..AgentSpec::default() }
}

/// Repeats `ask` until it returns something, or fails the test after [`TEST_TIMEOUT`].
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_after(Duration::ZERO, what, ask).await
}

/// The same for something that does not happen before `earliest`.
pub(crate) async fn eventually_after<T>(
    earliest: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = tokio::time::Instant::now() + earliest + TEST_TIMEOUT;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
