//! Starts a relay process with one agent that people may sign in for.

use std::path::Path;

use devtools::http_client;
use devtools::relay_process::RelayProcess;
use protocol::admin::{AgentSpec, DeclaredInvitation, McpSpec, invitation_path};
use protocol::api_key::KeyHash;
use protocol::did::TenantId;
use protocol::record::Card;
use reqwest::Method;

/// The MCP endpoint of alice; nobody listens there, for nobody is sent there.
pub(crate) const RESOURCE: &str = "https://mcp.example/alice";
/// One URL for all agents of the relay; nobody listens there either.
pub(crate) const GATEWAY: &str = "https://gateway.example/mcp";
pub(crate) const GATEWAY_TOKEN: &str = "gwt_for-whoever-tests";
/// Where the gateway would reach bob.
pub(crate) const BOBS_ENDPOINT: &str = "https://bob-mcp.default.svc/mcp";
pub(crate) const INVITATION: &str = "m2inv_for-whoever-tests";

/// All that the relay and its libraries have to say.
pub(crate) const LOUDEST: (&str, &str) =
    ("MSG2AGENT_RELAY_LOG_FILTER", "trace,hyper=trace,reqwest=trace,sqlx=trace");

pub(crate) struct Site {
    pub(crate) relay: RelayProcess,
}

impl Site {
    /// `accounts` may sign in at the provider that the settings name, if they do.
    pub(crate) async fn start(settings: &[(&str, &str)], accounts: &[&str]) -> Self {
        devtools::install_tls_provider();
        let relay = RelayProcess::start_with(settings).await.unwrap();
        let site = Self { relay };
        site.put("alice", "Alice of Acme", mcp(RESOURCE, accounts, None)).await;
        site
    }

    /// A relay with a gateway at [`GATEWAY`] that serves alice and bob.
    pub(crate) async fn start_with_gateway(
        settings: &[(&str, &str)],
        folder: &Path,
        accounts: &[&str],
    ) -> Self {
        let file = folder.join("gateway-token").display().to_string();
        std::fs::write(&file, GATEWAY_TOKEN).unwrap();
        let gateway = [
            ("MSG2AGENT_RELAY_OAUTH_GATEWAY_URL", GATEWAY),
            ("MSG2AGENT_RELAY_OAUTH_GATEWAY_TOKEN_FILE", &file),
        ];
        let settings: Vec<_> = settings.iter().copied().chain(gateway).collect();
        let site = Self::start(&settings, &[]).await;
        let (alice, bob) = ("https://alice-mcp.default.svc/mcp", BOBS_ENDPOINT);
        site.put("alice", "Alice of Acme", mcp(RESOURCE, accounts, Some(alice))).await;
        site.put("bob", "Bob of <Acme>", mcp("https://mcp.example/bob", accounts, Some(bob))).await;
        site
    }

    async fn put(&self, name: &str, title: &str, mcp: McpSpec) {
        let card = Some(Card { name: title.into(), ..Card::default() });
        let spec = AgentSpec { card, mcp: Some(mcp), ..AgentSpec::default() };
        let agent = self.relay.identity("default", name).unwrap();
        self.relay.admin().unwrap().put_agent(&agent, &spec).await.unwrap();
    }

    pub(crate) fn issuer(&self) -> String {
        self.relay.issuer()
    }

    /// Files of the relay's data folder that hold this text.
    pub(crate) fn files_with(&self, text: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.relay.data_folder()).unwrap().map(|entry| entry.unwrap().path());
        let holds = |bytes: Vec<u8>| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let files = entries.filter(|path| path.is_file() && holds(std::fs::read(path).unwrap()));
        files.map(|path| path.display().to_string()).collect()
    }

    /// One invitation to alice, with the code [`INVITATION`].
    pub(crate) async fn invite(&self) {
        let tenant: TenantId = "default".parse().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let spec = DeclaredInvitation {
            agent: "alice".parse().unwrap(),
            sha256: KeyHash::sha256(INVITATION),
            not_after: now + 3600,
        };
        let url = format!("{}{}", self.relay.admin_url(), invitation_path(&tenant, "whoever-tests"));
        let token = std::fs::read_to_string(self.relay.admin_token_file()).unwrap();
        let request =
            http_client::new().unwrap().request(Method::PUT, url).bearer_auth(token.trim()).json(&spec);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}

fn mcp(url: &str, accounts: &[&str], endpoint: Option<&str>) -> McpSpec {
    let accounts = accounts.iter().map(ToString::to_string).collect();
    McpSpec { url: url.into(), accounts, endpoint: endpoint.map(str::to_owned) }
}
