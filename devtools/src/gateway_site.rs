//! Starts a relay, the MCP endpoints of several agents and gateways in front of them, each as a
//! process on loopback.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use msg2agent::Identity;
use protocol::admin::{AgentKey, AgentSpec, McpSpec, TenantSpec};
use protocol::api_key::ApiKey;
use protocol::multikey;
use tempfile::TempDir;

use crate::free_port::free_port;
use crate::process::TestProcess;
use crate::relay_process::RelayProcess;
use crate::{agent_folder, http_client, install_tls_provider};

mod agent;
mod call;
mod gateway;

pub use agent::AgentEndpoint;
pub use gateway::Gateway;

const BINARY: &str = "msg2agent-mcp-server";
/// Debug builds on a busy machine start slowly.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// All of its processes end when it is dropped.
pub struct GatewaySite {
    pub relay: RelayProcess,
    pub agents: Vec<AgentEndpoint>,
    /// The URL of the first is the one that tokens name.
    pub gateways: Vec<Gateway>,
    pub url: String,
    token: TempDir,
}

impl GatewaySite {
    /// Agents of these names in the tenant `acme`, and as many gateways.
    ///
    /// # Errors
    /// Something does not start.
    pub async fn start(names: &[&str], gateways: usize) -> anyhow::Result<Self> {
        install_tls_provider();
        let token = tempfile::tempdir().context("make a folder for the gateway's token")?;
        let token_file = token.path().join("token");
        agent_folder::write_secret(&token_file, &uuid::Uuid::new_v4().simple().to_string())?;
        let ports: Vec<u16> = (0..gateways).map(|_| free_port()).collect::<anyhow::Result<_>>()?;
        let url = format!("http://localhost:{}/mcp", ports.first().context("no gateway was started")?);
        let relay = RelayProcess::start_with(&[
            ("MSG2AGENT_RELAY_OAUTH_GATEWAY_URL", &url),
            ("MSG2AGENT_RELAY_OAUTH_GATEWAY_TOKEN_FILE", &token_file.display().to_string()),
        ])
        .await?;
        relay.admin()?.put_tenant("acme", &TenantSpec::default()).await?;
        let mut site = Self { relay, agents: Vec::new(), gateways: Vec::new(), url, token };
        for name in names {
            site.add_agent(name).await?;
        }
        let (issuer, token_file) = (site.relay.issuer(), site.token.path().join("token"));
        for port in ports {
            site.gateways.push(Gateway::start(port, &site.url, &issuer, &token_file).await?);
        }
        Ok(site)
    }

    async fn add_agent(&mut self, name: &str) -> anyhow::Result<()> {
        let identity = self.relay.identity("acme", name)?;
        let (key, port) = (ApiKey::generate(&mut rand::rng()), free_port()?);
        let own_url = format!("http://localhost:{port}/mcp");
        let spec = AgentSpec {
            root_key: Some(multikey::encode_ed25519(&identity.root_public())),
            keys: vec![AgentKey { sha256: key.hash(), not_after: None }],
            mcp: Some(McpSpec { url: own_url.clone(), accounts: Vec::new(), endpoint: Some(own_url) }),
            ..AgentSpec::default()
        };
        self.relay.admin()?.put_agent(&identity, &spec).await?;
        let endpoint = AgentEndpoint::start(&self.relay, identity, key, port, &self.url).await?;
        self.agents.push(endpoint);
        Ok(())
    }

    /// The gateway whose URL tokens name.
    ///
    /// # Errors
    /// There is none.
    pub fn first(&self) -> anyhow::Result<&Gateway> {
        self.gateways.first().context("no gateway was started")
    }

    /// An agent of the tenant on the SDK, without endpoint.
    ///
    /// # Errors
    /// The relay refuses.
    pub async fn connect(&self, name: &str) -> anyhow::Result<(msg2agent::Agent, Identity)> {
        let identity = self.relay.identity("acme", name)?;
        let key = self.relay.admin()?.make_agent(&identity).await?;
        let copy = Identity::from_key_file(&identity.to_key_file()).context("copy an identity")?;
        Ok((msg2agent::Agent::connect(self.relay.config(identity, &key)?).await?, copy))
    }
}

/// Waits until the admin listener on this port says that its process is ready.
async fn ready(process: &mut TestProcess, admin_port: u16) -> anyhow::Result<()> {
    let url = format!("http://127.0.0.1:{admin_port}/readyz");
    let check = async || {
        let answer = http_client::get(&url).await?;
        let status = answer.status();
        ensure!(status.is_success(), "{}", answer.text().await?);
        Ok(())
    };
    process.until("it is ready", READY_TIMEOUT, check).await
}
