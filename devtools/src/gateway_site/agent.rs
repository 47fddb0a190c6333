//! Starts the MCP endpoint of one agent.

use msg2agent::Identity;
use protocol::api_key::ApiKey;
use tempfile::TempDir;

use super::{BINARY, ready};
use crate::agent_folder;
use crate::free_port::free_port;
use crate::process::TestProcess;
use crate::relay_process::RelayProcess;

pub struct AgentEndpoint {
    pub identity: Identity,
    pub key: ApiKey,
    pub url: String,
    pub process: TestProcess,
    _folder: TempDir,
}

impl AgentEndpoint {
    pub(super) async fn start(
        relay: &RelayProcess,
        identity: Identity,
        key: ApiKey,
        port: u16,
        gateway_url: &str,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        agent_folder::write(folder.path(), relay, &identity, &key)?;
        let (admin_port, url) = (free_port()?, format!("http://localhost:{port}/mcp"));
        let environment = [
            ("MSG2AGENT_DIR", folder.path().display().to_string()),
            ("MSG2AGENT_MCP_TRANSPORT", "http".to_owned()),
            ("MSG2AGENT_MCP_LISTEN", format!("127.0.0.1:{port}")),
            ("MSG2AGENT_MCP_ADMIN_LISTEN", format!("127.0.0.1:{admin_port}")),
            ("MSG2AGENT_MCP_PUBLIC_URL", url.clone()),
            ("MSG2AGENT_MCP_GATEWAY_URL", gateway_url.to_owned()),
            ("MSG2AGENT_MCP_OAUTH_ISSUER", relay.issuer()),
            ("MSG2AGENT_MCP_STATE_DIR", folder.path().join("state").display().to_string()),
        ];
        let mut process = TestProcess::start_binary(BINARY, &[], environment, folder.path())?;
        ready(&mut process, admin_port).await?;
        Ok(Self { identity, key, url, process, _folder: folder })
    }
}
