//! An MCP server with TLS for agent `alice` at a relay, and her colleague `bob` on the SDK.

use std::path::Path;
use std::time::{Duration, SystemTime};

use msg2agent::{Agent, Config, Did, Identity, KeySource, TokenSource};
use msg2agent_tests::eventually::eventually;
use msg2agent_tests::free_port::free_port;
use msg2agent_tests::install_tls_provider;
use msg2agent_tests::process::TestProcess;
use msg2agent_tests::relay_process::RelayProcess;
use protocol::admin::TenantSpec;
use protocol::api_key::ApiKey;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

const BINARY: &str = "msg2agent-mcp-server";
/// Debug builds on a busy machine start slowly.
const READY_LIMIT: Duration = Duration::from_secs(60);

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
}

impl Default for Setup {
    fn default() -> Self {
        Self { relay: &[], tls: false, certificate_days: 30, durable: false, sign_in: None }
    }
}

/// Which authorization server opens the endpoint besides the key.
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

    /// For clients that cannot be told of a private authority; on loopback only.
    pub(crate) async fn start_in_plaintext() -> Self {
        Self::start_with(Setup { durable: true, ..Setup::default() }).await
    }

    pub(crate) async fn start_at_relay_with(settings: &'static [(&'static str, &'static str)]) -> Self {
        Self::start_with(Setup { tls: true, relay: settings, ..Setup::default() }).await
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
            None => RelayProcess::start_with(setup.relay).await.unwrap(),
        };
        let admin = relay.admin().unwrap();
        admin.put_tenant("acme", &TenantSpec::default()).await.unwrap();
        let (alice, bob) = (relay.identity("acme", "alice").unwrap(), relay.identity("acme", "bob").unwrap());
        let key = admin.make_agent(&alice).await.unwrap();
        let bob_key = admin.make_agent(&bob).await.unwrap();
        let bob = Agent::connect(relay.config(bob, &bob_key).unwrap()).await.unwrap();

        let folder = tempfile::tempdir().unwrap();
        write_binding(folder.path(), &relay, &alice, &key);
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
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::from_key_file(&std::fs::read_to_string(self.folder.path().join("identity.json")).unwrap())
            .unwrap()
    }

    /// The structured answer of a tool.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> anyhow::Result<Value> {
        let answer = self.answer(tool, arguments).await?;
        let structured = answer["structuredContent"].clone();
        anyhow::ensure!(structured.is_object(), "{answer}");
        Ok(structured)
    }

    /// Why a tool refuses: `reason`, `message`, perhaps `retry_after_ms`.
    pub(crate) async fn refusal(&self, tool: &str, arguments: Value) -> Value {
        self.outcome(tool, arguments).await.unwrap_err()
    }

    /// The structured answer of a tool, or why it refuses.
    pub(crate) async fn outcome(&self, tool: &str, arguments: Value) -> Result<Value, Value> {
        let answer = self.answer(tool, arguments).await.unwrap();
        if answer["isError"] != true {
            return Ok(answer["structuredContent"].clone());
        }
        let said: Value = serde_json::from_str(answer["content"][0]["text"].as_str().unwrap()).unwrap();
        Err(said["error"].clone())
    }

    /// The result of a tool, as MCP 2026-07-28 writes it.
    async fn answer(&self, tool: &str, arguments: Value) -> anyhow::Result<Value> {
        let ca = reqwest::Certificate::from_pem(self.ca.as_bytes())?;
        let client = reqwest::Client::builder().tls_certs_only([ca]).build()?;
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
        let request = client
            .post(self.url())
            .bearer_auth(self.key.reveal())
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool)
            .json(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}));
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        anyhow::ensure!(answer["result"].is_object(), "{answer}");
        Ok(answer["result"].clone())
    }

    /// Waits until the inbox lists a message and returns the newest.
    pub(crate) async fn newest_message(&self) -> Value {
        self.until("list_messages", json!({}), "/messages/0").await
    }

    /// Calls a tool until its answer has something at this place, and returns that.
    pub(crate) async fn until(&self, tool: &str, arguments: Value, pointer: &str) -> Value {
        eventually("the answer has what is waited for", READY_LIMIT, async || {
            let answer = self.call(tool, arguments.clone()).await?;
            answer.pointer(pointer).cloned().ok_or_else(|| anyhow::anyhow!("{answer}"))
        })
        .await
        .unwrap()
    }

    pub(crate) async fn admin_page(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let answer = reqwest::get(format!("http://127.0.0.1:{}{path}", self.admin_port)).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    async fn ready(&mut self) {
        let url = format!("http://127.0.0.1:{}/readyz", self.admin_port);
        let ready = async || {
            let answer = reqwest::get(&url).await?;
            let status = answer.status();
            anyhow::ensure!(status.is_success(), "{}", answer.text().await?);
            Ok(())
        };
        self.process.as_mut().unwrap().until("the MCP server is ready", READY_LIMIT, ready).await.unwrap();
    }
}

/// The agent's folder as two mounted Secrets make it, flat.
pub(crate) fn write_binding(folder: &Path, relay: &RelayProcess, identity: &Identity, key: &ApiKey) {
    let write = |name: &str, text: &str| write_secret(&folder.join(name), text);
    write("url", &relay.url());
    write("did", identity.did().as_str());
    write("token", key.reveal());
    write("identity.json", &identity.to_key_file());
    write("card.json", r#"{"name":"Alice"}"#);
}

fn write_secret(path: &Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

/// Writes `tls.crt` and `tls.key` for localhost and returns the authority behind them.
fn write_certificate(folder: &Path, days: i64) -> String {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // A name of its own: a leaf with its issuer's name looks self-signed to clients.
    authority.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
    let authority_key = KeyPair::generate().unwrap();
    let ca = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let day = Duration::from_secs(24 * 3600);
    let until = SystemTime::now() + day * u32::try_from(days.max(0)).unwrap();
    leaf.not_after = (until - day * u32::try_from((-days).max(0)).unwrap()).into();
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    write_secret(&folder.join("tls.crt"), &certificate.pem());
    write_secret(&folder.join("tls.key"), &key.serialize_pem());
    ca
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
