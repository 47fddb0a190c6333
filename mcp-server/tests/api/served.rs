//! An endpoint on loopback for one test, in front of a network without a relay.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use futures::future::BoxFuture;
use msg2agent_mcp_server::http::bearer::{Bearer, Tokens};
use msg2agent_mcp_server::http::guard::Guard;
use msg2agent_mcp_server::http::sessions::Sessions;
use msg2agent_mcp_server::http::{listener, router};
use msg2agent_mcp_server::inbox::{Head, Received};
use msg2agent_mcp_server::mailbox::Mailbox;
use msg2agent_mcp_server::metrics::Metrics;
use msg2agent_mcp_server::network::{Acknowledge, Answer, Found, Me, Network, Outgoing, Sent, Session};
use msg2agent_mcp_server::refusal::Refusal;
use msg2agent_mcp_server::server::Server;
use msg2agent_mcp_server::settings::{Http, OAuth};
use msg2agent_mcp_server::store::Store;
use msg2agent_mcp_server::tool::Toolbox;
use prometheus::{Registry, TextEncoder};
use protocol::api_key::{ApiKey, KeyHash};
use protocol::envelope::{Content, MessageId, MessageType};
use protocol::frame::{DiscoverParams, DiscoverResult, SendStatus};
use protocol::record::Card;
use protocol::{Did, Reason};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Name under which clients may call, besides loopback.
pub(crate) const HOST: &str = "mcp.example.com";

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) key: ApiKey,
    pub(crate) guard: Guard,
    pub(crate) shutdown: Shutdown,
    pub(crate) toolbox: Arc<Toolbox>,
    registry: Registry,
}

impl Served {
    pub(crate) async fn start() -> Self {
        Self::start_with(None, None).await
    }

    /// With an authorization server, whose tokens open it besides the key.
    pub(crate) async fn start_with(tls: Option<TlsAcceptor>, sign_in: Option<(Tokens, OAuth)>) -> Self {
        let (tokens, oauth) = sign_in.unzip();
        drop(rustls::crypto::ring::default_provider().install_default());
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let key = ApiKey::generate(&mut rand::rng());
        let mailbox = Mailbox::new(Store::in_memory().await.unwrap());
        let toolbox =
            Toolbox { network: Arc::new(Echoless), mailbox: Arc::new(mailbox), metrics: metrics.clone() };
        let toolbox = Arc::new(toolbox);
        let guard = Guard::new(Bearer::new(key.hash(), tokens), Sessions::default(), metrics);
        let bound = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = bound.local_addr().unwrap();
        let settings = Http {
            listen: address,
            tls: None,
            allowed_hosts: vec![HOST.into(), "127.0.0.1".into(), "localhost".into()],
            allowed_origins: vec!["https://app.example.com:443".into()],
            token: PathBuf::new(),
            oauth,
        };
        let server = Server::new(Arc::clone(&toolbox));
        let router = router(move || server.for_a_client(), &settings, guard.clone(), "alice");
        let shutdown = Shutdown::new();
        tokio::spawn(listener::serve(bound, tls, router, shutdown.clone(), Duration::from_secs(5), 64));
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

    /// Takes a message in, as the network brings it.
    pub(crate) async fn arrive(&self, n: u64, text: &str) -> MessageId {
        let id = MessageId::new(1_790_000_000 + n, [7; 10]);
        self.arrive_with(id, MessageType::Event, Content::text(text)).await;
        id
    }

    pub(crate) async fn arrive_with(&self, id: MessageId, kind: MessageType, content: Content) {
        let head = Head {
            id,
            from: "did:wba:example.com:agent:acme:bob".parse().unwrap(),
            key_id: "sig-1".parse().unwrap(),
            kind,
            thread: None,
            re: None,
            time: 1_790_000_000,
        };
        self.toolbox.mailbox.take(Received { head, content }, Box::new(Nobody)).await;
    }

    pub(crate) fn rotate(&self, key: &str) {
        assert!(self.guard.rotate(KeyHash::sha256(key)));
    }

    pub(crate) fn metrics(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap()
    }
}

/// There is no relay to tell.
struct Nobody;

impl Acknowledge for Nobody {
    fn acknowledge(self: Box<Self>) -> BoxFuture<'static, Result<(), Refusal>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Takes every message except those to an agent called `nobody`; no reply ever comes.
struct Echoless;

impl Network for Echoless {
    fn me(&self) -> Me {
        let did = "did:wba:example.com:agent:acme:alice".parse().unwrap();
        Me { did, card: Card::default(), session: Session::Connected }
    }

    fn refresh(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn send(&self, message: Outgoing) -> BoxFuture<'_, Result<Sent, Refusal>> {
        let known = message.to.name() != "nobody";
        let id = message.id.unwrap_or(MessageId::new(1_790_000_000, [1; 10]));
        let sent = Sent { id, status: SendStatus::Stored };
        let unknown = Refusal::Relay { reason: Reason::NotFound, retry_after_ms: None, quota: None };
        Box::pin(std::future::ready(if known { Ok(sent) } else { Err(unknown) }))
    }

    fn request(&self, message: Outgoing, wait: Duration) -> BoxFuture<'_, Result<Answer, Refusal>> {
        Box::pin(async move {
            let sent = self.send(message).await?;
            tokio::time::sleep(wait).await;
            Ok(Answer { sent, reply: None })
        })
    }

    fn discover(&self, _query: DiscoverParams) -> BoxFuture<'_, Result<DiscoverResult, Refusal>> {
        Box::pin(std::future::ready(Ok(DiscoverResult::default())))
    }

    fn lookup(&self, _did: &Did) -> BoxFuture<'_, Result<Found, Refusal>> {
        Box::pin(std::future::ready(Err(Refusal::Relay {
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
