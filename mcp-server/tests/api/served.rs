//! An endpoint on loopback for one test, in front of a network without a relay.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use futures::future::BoxFuture;
use msg2agent_mcp_server::http::guard::Guard;
use msg2agent_mcp_server::http::{listener, router};
use msg2agent_mcp_server::mailbox::Mailbox;
use msg2agent_mcp_server::metrics::Metrics;
use msg2agent_mcp_server::network::{Answer, Found, Me, Network, Outgoing, Sent, Session};
use msg2agent_mcp_server::refusal::Refusal;
use msg2agent_mcp_server::server::Server;
use msg2agent_mcp_server::settings::Http;
use msg2agent_mcp_server::store::Store;
use msg2agent_mcp_server::tool::Toolbox;
use prometheus::{Registry, TextEncoder};
use protocol::api_key::{ApiKey, KeyHash};
use protocol::envelope::MessageId;
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
    registry: Registry,
}

impl Served {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    pub(crate) async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let key = ApiKey::generate(&mut rand::rng());
        let mailbox = Mailbox::new(Store::in_memory().await.unwrap());
        let toolbox =
            Toolbox { network: Arc::new(Echoless), mailbox: Arc::new(mailbox), metrics: metrics.clone() };
        let guard = Guard::new(key.hash(), metrics);
        let bound = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = bound.local_addr().unwrap();
        let settings = Http {
            listen: address,
            tls: None,
            allowed_hosts: vec![HOST.into(), "127.0.0.1".into(), "localhost".into()],
            allowed_origins: vec!["https://app.example.com:443".into()],
            token: PathBuf::new(),
        };
        let router = router(Server::new(Arc::new(toolbox)), &settings, guard.clone());
        let shutdown = Shutdown::new();
        tokio::spawn(listener::serve(bound, tls, router, shutdown.clone(), Duration::from_secs(5)));
        Self { address, key, guard, shutdown, registry }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// A tools/call as a client of the handshake era posts it, with the right key.
    pub(crate) fn call(&self, tool: &str, arguments: &Value) -> reqwest::RequestBuilder {
        self.post(&json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": tool, "arguments": arguments},
        }))
        .bearer_auth(self.key.reveal())
    }

    /// A POST without a key.
    pub(crate) fn post(&self, body: &Value) -> reqwest::RequestBuilder {
        reqwest::Client::new()
            .post(self.url())
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .json(body)
    }

    pub(crate) fn rotate(&self, key: &str) {
        assert!(self.guard.rotate(KeyHash::of(key)));
    }

    pub(crate) fn metrics(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap()
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
        let sent = Sent { id: MessageId::new(1_790_000_000, [1; 10]), status: SendStatus::Stored };
        let unknown = Refusal::Relay { reason: Reason::NotFound, retry_after_ms: None };
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
        Box::pin(std::future::ready(Err(Refusal::Relay { reason: Reason::NotFound, retry_after_ms: None })))
    }
}

/// A self-signed certificate for `localhost` in two files; returns it in PEM.
pub(crate) fn write_certificate(cert: &Path, key: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(cert, made.cert.pem()).unwrap();
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
    made.cert.pem()
}
