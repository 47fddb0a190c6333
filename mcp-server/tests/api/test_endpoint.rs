//! An endpoint on loopback for one test, on a network without a relay.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use daemon::https::{Listener, ListenerLimits, ListenerMetrics};
use futures::future::BoxFuture;
use msg2agent_mcp_server::database::Database;
use msg2agent_mcp_server::endpoint::bearer::{BearerAuth, TokenVerifier};
use msg2agent_mcp_server::endpoint::guard::Guard;
use msg2agent_mcp_server::endpoint::process::ENDPOINT_CONNECTIONS_MAX;
use msg2agent_mcp_server::endpoint::router::router;
use msg2agent_mcp_server::endpoint::sessions::Sessions;
use msg2agent_mcp_server::endpoint::settings::{HttpSettings, OauthSettings};
use msg2agent_mcp_server::inbox::{MessageHeader, ReceivedMessage};
use msg2agent_mcp_server::message_store::MessageStore;
use msg2agent_mcp_server::metrics::EndpointMetrics;
use msg2agent_mcp_server::network::{
    Acknowledge, Contact, Network, NetworkError, OutgoingMessage, OwnAgent, RequestOutcome, SentMessage,
    SessionStatus,
};
use msg2agent_mcp_server::server::Server;
use msg2agent_mcp_server::tool::Toolbox;
use prometheus::{Registry, TextEncoder};
use protocol::api_key::{ApiKey, KeyHash};
use protocol::envelope::{Content, MessageId, MessageType};
use protocol::frame::{DiscoverParams, DiscoverResult, SendStatus};
use protocol::record::Card;
use protocol::{Did, Reason};
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// The host that clients may use, besides loopback.
pub(crate) const HOST: &str = "mcp.example.com";

pub(crate) struct TestEndpoint {
    pub(crate) address: SocketAddr,
    pub(crate) key: ApiKey,
    pub(crate) guard: Guard,
    pub(crate) shutdown: Shutdown,
    pub(crate) toolbox: Arc<Toolbox>,
    registry: Registry,
}

impl TestEndpoint {
    pub(crate) async fn start() -> Self {
        Self::start_with(None, None).await
    }

    /// With an authorization server, whose tokens are accepted besides the key.
    pub(crate) async fn start_with(
        tls: Option<Arc<ServerConfig>>,
        sign_in: Option<(TokenVerifier, OauthSettings)>,
    ) -> Self {
        let (tokens, oauth) = sign_in.unzip();
        drop(rustls::crypto::ring::default_provider().install_default());
        let registry = Registry::new();
        let metrics = EndpointMetrics::register(&registry).unwrap();
        let key = ApiKey::generate(&mut rand::rng());
        let store = MessageStore::new(Database::in_memory().await.unwrap());
        let toolbox =
            Toolbox { network: Arc::new(SilentNetwork), store: Arc::new(store), metrics: metrics.clone() };
        let toolbox = Arc::new(toolbox);
        let guard = Guard::new(BearerAuth::new(key.hash(), tokens), Sessions::default(), metrics);
        let bound = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = bound.local_addr().unwrap();
        let settings = HttpSettings {
            listen: address,
            tls: None,
            allowed_hosts: vec![HOST.into(), "127.0.0.1".into(), "localhost".into()],
            allowed_origins: vec!["https://app.example.com:443".into()],
            token: PathBuf::new(),
            oauth,
        };
        let server = Server::new(Arc::clone(&toolbox));
        let router = router(move || server.for_new_client(), &settings, guard.clone(), "alice");
        let shutdown = Shutdown::new();
        let listener = Listener {
            socket: bound,
            tls,
            router,
            metrics: ListenerMetrics::register(&registry, "msg2agent_mcp").unwrap(),
            limits: ListenerLimits::new(ENDPOINT_CONNECTIONS_MAX),
            connections: TaskTracker::new(),
        };
        tokio::spawn(listener.serve(shutdown.clone(), Duration::from_secs(5)));
        Self { address, key, guard, shutdown, toolbox, registry }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// A tools/call of MCP 2026-07-28, with the right key.
    pub(crate) fn call(&self, tool: &str, arguments: &Value) -> reqwest::RequestBuilder {
        self.modern("tools/call", Some(tool), json!({"name": tool, "arguments": arguments}))
            .bearer_auth(self.key.reveal())
    }

    /// A request of MCP 2026-07-28 without a key.
    pub(crate) fn modern(
        &self,
        method: &str,
        name: Option<&str>,
        mut params: Value,
    ) -> reqwest::RequestBuilder {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let request = self.post(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
        let request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
        match name {
            Some(name) => request.header("mcp-name", name),
            None => request,
        }
    }

    /// A POST without a key.
    pub(crate) fn post(&self, body: &Value) -> reqwest::RequestBuilder {
        reqwest::Client::new()
            .post(self.url())
            .header("accept", "application/json, text/event-stream")
            .json(body)
    }

    /// Stores an incoming message.
    pub(crate) async fn arrive(&self, n: u64, text: &str) -> MessageId {
        let id = MessageId::new(1_790_000_000 + n, [7; 10]);
        self.arrive_with(id, MessageType::Event, Content::text(text)).await;
        id
    }

    pub(crate) async fn arrive_with(&self, id: MessageId, kind: MessageType, content: Content) {
        let head = MessageHeader {
            id,
            from: "did:wba:example.com:agent:acme:bob".parse().unwrap(),
            key_id: "sig-1".parse().unwrap(),
            kind,
            thread: None,
            re: None,
            time: 1_790_000_000,
        };
        self.toolbox.store.receive(ReceivedMessage { head, content }, Box::new(IgnoredAcknowledgement)).await;
    }

    pub(crate) fn rotate(&self, key: &str) {
        assert!(self.guard.rotate(KeyHash::sha256(key)));
    }

    pub(crate) fn metrics(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap()
    }
}

/// There is no relay to acknowledge to.
struct IgnoredAcknowledgement;

impl Acknowledge for IgnoredAcknowledgement {
    fn acknowledge(self: Box<Self>) -> BoxFuture<'static, Result<(), NetworkError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Accepts every message except those to an agent called `nobody`; no reply ever arrives.
struct SilentNetwork;

impl Network for SilentNetwork {
    fn own_agent(&self) -> OwnAgent {
        let did = "did:wba:example.com:agent:acme:alice".parse().unwrap();
        OwnAgent { did, card: Card::default(), session: SessionStatus::Connected }
    }

    fn ensure_connected(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn send(&self, message: OutgoingMessage) -> BoxFuture<'_, Result<SentMessage, NetworkError>> {
        let known = message.to.name() != "nobody";
        let id = message.id.unwrap_or(MessageId::new(1_790_000_000, [1; 10]));
        let sent = SentMessage { id, status: SendStatus::Stored };
        let unknown = NetworkError::Relay { reason: Reason::NotFound, retry_after_ms: None, quota: None };
        Box::pin(std::future::ready(if known { Ok(sent) } else { Err(unknown) }))
    }

    fn request(
        &self,
        message: OutgoingMessage,
        wait: Duration,
    ) -> BoxFuture<'_, Result<RequestOutcome, NetworkError>> {
        Box::pin(async move {
            let sent = self.send(message).await?;
            tokio::time::sleep(wait).await;
            Ok(RequestOutcome { sent, reply: None })
        })
    }

    fn discover(&self, _query: DiscoverParams) -> BoxFuture<'_, Result<DiscoverResult, NetworkError>> {
        Box::pin(std::future::ready(Ok(DiscoverResult::default())))
    }

    fn lookup(&self, _did: &Did) -> BoxFuture<'_, Result<Contact, NetworkError>> {
        Box::pin(std::future::ready(Err(NetworkError::Relay {
            reason: Reason::NotFound,
            retry_after_ms: None,
            quota: None,
        })))
    }
}

/// A self-signed certificate for `localhost` in two files; returns it in PEM.
pub(crate) fn write_certificate(cert: &Path, key: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(cert, made.cert.pem()).unwrap();
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
    made.cert.pem()
}

/// Sends a request to the same server with a slash after its path.
pub(crate) async fn send_with_slash(request: reqwest::RequestBuilder) -> reqwest::Response {
    let mut request = request.build().unwrap();
    request.url_mut().set_path("/mcp/");
    reqwest::Client::new().execute(request).await.unwrap()
}
