//! Starts an MCP server with TLS for agent `alice` at a relay, and connects her colleague `bob`
//! with the SDK.

use std::path::Path;
use std::time::Duration;

use devtools::agent_folder;
use devtools::free_port::free_port;
use devtools::http_client;
use devtools::install_tls_provider;
use devtools::process::TestProcess;
use devtools::relay_process::RelayProcess;
use msg2agent::{Agent, Config, Did, Identity, KeySource, TokenSource};
use protocol::admin::TenantSpec;
use protocol::api_key::ApiKey;
use tempfile::TempDir;

mod calls;
mod folder;

use folder::write_certificate;

const BINARY: &str = "msg2agent-mcp-server";
/// Debug builds on a busy machine start slowly.
pub(crate) const READY_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct Endpoint {
    pub(crate) relay: RelayProcess,
    pub(crate) bob: Agent,
    pub(crate) key: ApiKey,
    /// The authority that vouches for the server's certificate, in PEM.
    pub(crate) ca: String,
    pub(crate) folder: TempDir,
    /// Absent while it is restarted.
    process: Option<TestProcess>,
    port: u16,
    admin_port: u16,
    setup: Setup,
}

/// How the server runs.
#[derive(Clone, Copy)]
struct Setup {
    /// More settings of the relay.
    relay: &'static [(&'static str, &'static str)],
    tls: bool,
    /// Until when its certificate is good, from now.
    certificate_days: i64,
    /// With a state folder.
    durable: bool,
    sign_in: Option<SignIn>,
    /// The port of a collector of traces on loopback.
    collector: Option<u16>,
}

impl Setup {
    fn relay_settings(&self) -> Vec<(&'static str, String)> {
        let collector =
            self.collector.map(|port| ("MSG2AGENT_RELAY_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}")));
        self.relay.iter().map(|(name, value)| (*name, (*value).to_owned())).chain(collector).collect()
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self { relay: &[], tls: false, certificate_days: 30, durable: false, sign_in: None, collector: None }
    }
}

/// The authorization server whose tokens the endpoint accepts besides the key.
#[derive(Clone, Copy)]
pub(crate) struct SignIn {
    /// The port of its issuer on loopback.
    pub(crate) port: u16,
    /// The port where the relay itself listens.
    pub(crate) relay_port: u16,
}

impl SignIn {
    pub(crate) fn issuer(self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Endpoint {
    pub(crate) async fn start() -> Self {
        Self::start_with(Setup { tls: true, ..Setup::default() }).await
    }

    /// Its certificate ended yesterday.
    pub(crate) async fn start_expired() -> Self {
        Self::start_with(Setup { tls: true, certificate_days: -1, ..Setup::default() }).await
    }

    /// Keeps inbox and tasks in a folder.
    pub(crate) async fn start_durable() -> Self {
        Self::start_with(Setup { tls: true, durable: true, ..Setup::default() }).await
    }

    /// For clients that cannot trust a private CA; on loopback only.
    pub(crate) async fn start_in_plaintext() -> Self {
        Self::start_with(Setup { durable: true, ..Setup::default() }).await
    }

    pub(crate) async fn start_at_relay_with(settings: &'static [(&'static str, &'static str)]) -> Self {
        Self::start_with(Setup { tls: true, relay: settings, ..Setup::default() }).await
    }

    /// Endpoint and relay send their traces to a collector on this port of loopback.
    pub(crate) async fn start_with_collector(port: u16) -> Self {
        Self::start_with(Setup { tls: true, collector: Some(port), ..Setup::default() }).await
    }

    /// In plaintext, and the relay's authorization server opens it, too.
    pub(crate) async fn start_with_sign_in(sign_in: SignIn) -> Self {
        let endpoint =
            Self::start_with(Setup { durable: true, sign_in: Some(sign_in), ..Setup::default() }).await;
        let admin = endpoint.relay.admin().unwrap();
        admin.put_mcp(&endpoint.identity(), &endpoint.url()).await.unwrap();
        endpoint
    }

    /// A code that a person may type into the sign-in page.
    pub(crate) async fn invitation(&self) -> String {
        self.relay.admin().unwrap().invite(&self.identity()).await.unwrap().code
    }

    async fn start_with(setup: Setup) -> Self {
        install_tls_provider();
        let relay = match setup.sign_in {
            Some(sign_in) => {
                RelayProcess::start_as_issuer(sign_in.relay_port, &sign_in.issuer()).await.unwrap()
            }
            None => {
                let settings = setup.relay_settings();
                let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
                RelayProcess::start_with(&settings).await.unwrap()
            }
        };
        let admin = relay.admin().unwrap();
        admin.put_tenant("acme", &TenantSpec::default()).await.unwrap();
        let (alice, bob) = (relay.identity("acme", "alice").unwrap(), relay.identity("acme", "bob").unwrap());
        let key = admin.make_agent(&alice).await.unwrap();
        let bob_key = admin.make_agent(&bob).await.unwrap();
        let bob = Agent::connect(relay.config(bob, &bob_key).unwrap()).await.unwrap();

        let folder = tempfile::tempdir().unwrap();
        agent_folder::write(folder.path(), &relay, &alice, &key).unwrap();
        let ca = write_certificate(folder.path(), setup.certificate_days);
        let (port, admin_port) = (free_port().unwrap(), free_port().unwrap());
        let process = Some(run(folder.path(), port, admin_port, setup));
        let mut endpoint = Self { relay, bob, key, ca, folder, process, port, admin_port, setup };
        endpoint.ready().await;
        endpoint
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/mcp", self.base())
    }

    pub(crate) fn base(&self) -> String {
        let scheme = if self.setup.tls { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.port)
    }

    /// Ends the server without notice and starts it again.
    pub(crate) async fn crash_and_restart(&mut self) {
        let crashed = self.process.take().unwrap();
        crashed.kill().await.unwrap();
        self.process = Some(run(self.folder.path(), self.port, self.admin_port, self.setup));
        self.ready().await;
    }

    pub(crate) async fn terminate(self) -> i32 {
        self.process.unwrap().end().await.unwrap()
    }

    pub(crate) fn log(&self) -> String {
        self.process.as_ref().unwrap().log().unwrap()
    }

    /// Resident memory of the server.
    pub(crate) fn resident_mib(&self) -> u64 {
        let pid = self.process.as_ref().unwrap().pid().unwrap();
        devtools::memory_usage::resident(pid).unwrap() >> 20
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::from_key_file(&std::fs::read_to_string(self.folder.path().join("identity.json")).unwrap())
            .unwrap()
    }

    pub(crate) async fn admin_page(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let answer = http_client::get(&format!("http://127.0.0.1:{}{path}", self.admin_port)).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    async fn ready(&mut self) {
        let url = format!("http://127.0.0.1:{}/readyz", self.admin_port);
        let ready = async || {
            let answer = http_client::get(&url).await?;
            let status = answer.status();
            anyhow::ensure!(status.is_success(), "{}", answer.text().await?);
            Ok(())
        };
        self.process.as_mut().unwrap().until("the MCP server is ready", READY_TIMEOUT, ready).await.unwrap();
    }
}

fn run(folder: &Path, port: u16, admin_port: u16, setup: Setup) -> TestProcess {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut environment = vec![
        ("MSG2AGENT_DIR", folder.display().to_string()),
        ("MSG2AGENT_MCP_TRANSPORT", "http".to_owned()),
        ("MSG2AGENT_MCP_LISTEN", format!("127.0.0.1:{port}")),
        ("MSG2AGENT_MCP_ADMIN_LISTEN", format!("127.0.0.1:{admin_port}")),
        // As much as the program will ever say: nothing of a message may be in it.
        ("MSG2AGENT_MCP_LOG_FILTER", "trace".to_owned()),
    ];
    if setup.tls {
        environment.push(("MSG2AGENT_MCP_TLS_CERT", path("tls.crt")));
        environment.push(("MSG2AGENT_MCP_TLS_KEY", path("tls.key")));
    }
    if let Some(sign_in) = setup.sign_in {
        environment.push(("MSG2AGENT_MCP_OAUTH_ISSUER", sign_in.issuer()));
        environment.push(("MSG2AGENT_MCP_PUBLIC_URL", format!("http://localhost:{port}/mcp")));
    }
    if let Some(port) = setup.collector {
        environment.push(("MSG2AGENT_MCP_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}")));
    }
    if setup.durable {
        environment.push(("MSG2AGENT_MCP_STATE_DIR", path("state")));
    }
    TestProcess::start_binary(BINARY, &[], environment, folder).unwrap()
}

/// Settings of an agent that nothing will ever connect.
pub(crate) fn unconnected(endpoint: msg2agent::config::Endpoint, did: Did, key: &ApiKey) -> Config {
    let identity = Identity::generate(did.clone(), 0, &mut rand::rng());
    let token = TokenSource::Value(key.clone());
    Config::new(endpoint, did, token, KeySource::Memory(std::sync::Arc::new(identity)))
}
