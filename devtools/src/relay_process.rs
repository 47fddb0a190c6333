//! Runs a relay of this workspace as a process on loopback that a test can stop, kill and restart.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use protocol::did::{AgentName, Domain, TenantId};
use protocol::{Did, Identity};
use tokio::process::{Child, Command};

use crate::command::isolated;
use crate::eventually::eventually;
use crate::free_port::free_port;
use crate::{http_client, programs};

mod admin;

pub use admin::Admin;

/// Time a relay may take from its start to ready: it opens SQLite and two ports.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// Time a relay may take to drain after SIGTERM.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// A running relay. It is killed and its data deleted when it is dropped.
pub struct RelayProcess {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
    admin_port: u16,
    health_port: u16,
    settings: Vec<(String, String)>,
    pub domain: Domain,
}

impl RelayProcess {
    /// Starts a relay with an empty store and waits until it is ready.
    ///
    /// # Errors
    /// Not built, or not ready in time.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(&[]).await
    }

    /// As [`start`](Self::start), with more environment variables.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::start_on(free_port()?, settings).await
    }

    /// A relay on this port whose authorization server can be reached as `issuer`: itself, or a
    /// proxy in front of it.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_as_issuer(port: u16, issuer: &str) -> anyhow::Result<Self> {
        Self::start_on(port, &[("MSG2AGENT_RELAY_OAUTH_ISSUER", issuer)]).await
    }

    async fn start_on(port: u16, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for the relay")?;
        let (admin_port, health_port) = (free_port()?, free_port()?);
        let settings: Vec<_> = settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let ports = [port, admin_port, health_port];
        let child = spawn(folder.path(), ports, &settings)?;
        let domain = "relay.test".parse()?;
        let relay = Self { child, folder, port, admin_port, health_port, settings, domain };
        relay.ready().await?;
        Ok(relay)
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// The last answer of `/readyz`.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let url = format!("{}/readyz", self.health_url());
        eventually("the relay is ready", READY_TIMEOUT, async || {
            let answer = http_client::get(&url).await?;
            let status = answer.status();
            ensure!(status.is_success(), "{status}: {}", answer.text().await.unwrap_or_default());
            Ok(())
        })
        .await
        .with_context(|| format!("log of the relay:\n{}", self.log()))
    }

    /// Kills the process without notice (SIGKILL).
    ///
    /// # Errors
    /// It has ended already.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("kill the relay")
    }

    /// Sends SIGTERM and waits until the relay has drained and ended.
    ///
    /// # Errors
    /// It does not end in time, or ends with an error.
    pub async fn terminate(&mut self) -> anyhow::Result<()> {
        let pid = self.pid()?.to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await.context("send SIGTERM")?;
        ensure!(sent.success(), "SIGTERM was not sent");
        let ended = tokio::time::timeout(DRAIN_TIMEOUT, self.child.wait()).await.context("drain in time")?;
        let status = ended.context("wait for the relay")?;
        ensure!(status.success(), "the relay ended with {status}:\n{}", self.log());
        Ok(())
    }

    /// Starts it again over the same store and ports.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        let ports = [self.port, self.admin_port, self.health_port];
        self.child = spawn(self.folder.path(), ports, &self.settings)?;
        self.ready().await
    }

    /// As [`restart`](Self::restart), with more environment variables.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn restart_with(&mut self, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        self.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.restart().await
    }

    /// # Errors
    /// The process has ended.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the relay has ended")
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/ws", self.port)
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    #[must_use]
    pub fn admin_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.admin_port)
    }

    fn health_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.health_port)
    }

    /// Issuer of this relay's authorization server. By the name `localhost`, where browsers take
    /// secure cookies without TLS.
    #[must_use]
    pub fn issuer(&self) -> String {
        issuer(self.port)
    }

    /// The admin API with the token of this relay.
    ///
    /// # Errors
    /// The token file cannot be read.
    pub fn admin(&self) -> anyhow::Result<Admin> {
        let token =
            std::fs::read_to_string(token_file(self.folder.path())).context("read the admin token")?;
        Admin::new(self.admin_url(), token.trim())
    }

    #[must_use]
    pub fn admin_token_file(&self) -> PathBuf {
        token_file(self.folder.path())
    }

    #[must_use]
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The log so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The text of `/metrics`.
    ///
    /// # Errors
    /// The listener does not answer.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        Ok(http_client::get(&format!("{}/metrics", self.health_url())).await?.text().await?)
    }

    /// A new identity for `name` in `tenant` at this relay; the relay does not know it yet.
    ///
    /// # Errors
    /// An invalid name.
    pub fn identity(&self, tenant: &str, name: &str) -> anyhow::Result<Identity> {
        let (tenant, name): (TenantId, AgentName) = (tenant.parse()?, name.parse()?);
        let did = Did::new(&self.domain, &tenant, &name);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
        Ok(Identity::generate(did, now, &mut rand::rng()))
    }
}

fn spawn(
    folder: &Path,
    [port, admin_port, health_port]: [u16; 3],
    settings: &[(String, String)],
) -> anyhow::Result<Child> {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .context("open the log")?;
    Command::from(isolated(program()?))
        .env("MSG2AGENT_RELAY_LISTEN", format!("127.0.0.1:{port}"))
        .env("MSG2AGENT_RELAY_ADMIN_LISTEN", format!("127.0.0.1:{admin_port}"))
        .env("MSG2AGENT_RELAY_HEALTH_LISTEN", format!("127.0.0.1:{health_port}"))
        .env("MSG2AGENT_RELAY_DOMAIN", "relay.test")
        .env("MSG2AGENT_RELAY_DATA_DIR", folder.join("data"))
        .env("MSG2AGENT_RELAY_ADMIN_TOKEN_FILE", token_file(folder))
        .env("MSG2AGENT_RELAY_OAUTH_ISSUER", issuer(port))
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("share the log")?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .context("start the relay")
}

/// The relay that is built, or the one that `MSG2AGENT_TEST_RELAY` names.
fn program() -> anyhow::Result<PathBuf> {
    std::env::var_os("MSG2AGENT_TEST_RELAY")
        .map_or_else(|| programs::path("msg2agent-relay"), |path| Ok(path.into()))
}

fn issuer(port: u16) -> String {
    format!("http://localhost:{port}")
}

fn token_file(folder: &Path) -> PathBuf {
    folder.join("admin-token")
}
