//! Runs a relay with many agents of one tenant, and connects them in plain text or over TLS.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use protocol::admin::TenantSpec;
use protocol::api_key::ApiKey;
use protocol::record::{Card, build};
use protocol::{Did, Identity};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;

use super::admission::{self, Upgrade};
use super::frame_by_frame::FrameByFrame;
use super::{SETTINGS, TENANT, now};
use crate::load::client_socket;
use crate::load::process;
use crate::relay_process::RelayProcess;

/// Connections beside those of the agents. A quarter of all may be those of one address that have
/// sent no request yet, and so many agents connect at the same time.
const SPARE_CONNECTIONS: usize = 1_024;
/// Where all agents come from.
const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);

/// Whether the relay serves TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum RelayTransport {
    Plain,
    Tls,
}

impl fmt::Display for RelayTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Tls => "over TLS",
        })
    }
}

/// The connection of a registered agent, on which nothing was sent since.
pub enum RegisteredStream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl RegisteredStream {
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

struct KnownAgent {
    identity: Identity,
    /// The same in every registration, as an agent keeps it.
    record: Vec<u8>,
}

struct TlsClient {
    connector: TlsConnector,
    server: ServerName<'static>,
}

/// A running relay and its agents.
pub struct AgentPopulation {
    pub process: RelayProcess,
    key: ApiKey,
    agents: Vec<KnownAgent>,
    tls: Option<TlsClient>,
}

impl AgentPopulation {
    /// Starts a relay whose limits let all agents connect twice at the same time.
    ///
    /// # Errors
    /// Not built, not ready in time, or the admin API refuses.
    pub async fn start(count: usize, transport: RelayTransport, pinned: bool) -> anyhow::Result<Self> {
        let (connections, agents) = ((2 * count + SPARE_CONNECTIONS).to_string(), (count + 1).to_string());
        let mut settings = SETTINGS.to_vec();
        settings.extend([
            ("MSG2AGENT_RELAY_LIMIT_CONNECTIONS", &*connections),
            ("MSG2AGENT_RELAY_LIMIT_AGENTS", &*agents),
            ("MSG2AGENT_RELAY_LIMIT_ADDRESS_SHARE_PERCENT", "100"),
            ("MSG2AGENT_RELAY_LIMIT_MAILBOX_MESSAGES", "1000000"),
            ("MSG2AGENT_RELAY_LIMIT_MAILBOX_BYTES", "4294967296"),
        ]);
        let mut process = RelayProcess::start_with(&settings).await?;
        let admin = process.admin()?;
        admin.put_tenant(TENANT, &TenantSpec::default()).await.context("make the tenant")?;
        let key = admin.make_tenant_key(TENANT).await.context("make the tenant's key")?;
        let agents: anyhow::Result<_> = (0..count).map(|number| known_agent(&process, number)).collect();
        let tls = match transport {
            RelayTransport::Plain => None,
            RelayTransport::Tls => Some(serve_tls(&mut process).await.context("serve TLS")?),
        };
        if pinned {
            process::pin(process.pid()?, process::SERVER_CPU)?;
        }
        Ok(Self { process, key, agents: agents?, tls })
    }

    /// # Errors
    /// No such agent.
    pub fn did(&self, number: usize) -> anyhow::Result<&Did> {
        Ok(self.agent(number)?.identity.did())
    }

    fn agent(&self, number: usize) -> anyhow::Result<&KnownAgent> {
        self.agents.get(number).context("no such agent")
    }

    /// Agent `number`, newly connected and registered, for whom no messages wait.
    ///
    /// # Errors
    /// The relay does not let it in.
    pub async fn connect(&self, number: usize) -> anyhow::Result<RegisteredStream> {
        let agent = self.agent(number)?;
        let stream = self.tcp().await?;
        Ok(match &self.tls {
            None => RegisteredStream::Plain(self.register(agent, stream).await?),
            Some(TlsClient { connector, server }) => {
                let stream = connector.connect(server.clone(), stream).await.context("TLS with the relay")?;
                RegisteredStream::Tls(Box::new(self.register(agent, stream).await?))
            }
        })
    }

    /// # Errors
    /// As [`connect`](Self::connect), and a relay that serves TLS.
    pub async fn connect_plain(&self, number: usize) -> anyhow::Result<TcpStream> {
        match self.connect(number).await? {
            RegisteredStream::Plain(stream) => Ok(stream),
            RegisteredStream::Tls(_) => bail!("the relay serves TLS"),
        }
    }

    /// Agent `number` over plain text, and how many messages wait for it. They come first.
    ///
    /// # Errors
    /// The relay does not let it in, or serves TLS.
    pub async fn connect_pending(&self, number: usize) -> anyhow::Result<(TcpStream, u64)> {
        anyhow::ensure!(self.tls.is_none(), "the relay serves TLS");
        let agent = self.agent(number)?;
        let mut socket = self.upgrade(FrameByFrame::new(self.tcp().await?)).await?;
        socket.get_mut().stop_reading_ahead();
        let registered = admission::register_record(&mut socket, &agent.identity, &agent.record).await?;
        Ok((socket.into_inner().into_inner(), registered.pending))
    }

    async fn tcp(&self) -> anyhow::Result<TcpStream> {
        client_socket::connect(self.process.address(), SOURCE).await.context("connect to the relay")
    }

    async fn register<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        agent: &KnownAgent,
        stream: S,
    ) -> anyhow::Result<S> {
        let mut socket = self.upgrade(stream).await?;
        let registered = admission::register_record(&mut socket, &agent.identity, &agent.record).await?;
        anyhow::ensure!(registered.pending == 0, "{} messages wait", registered.pending);
        Ok(socket.into_inner())
    }

    async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> anyhow::Result<Box<WebSocketStream<S>>> {
        match admission::open(stream, &self.process.url(), &self.key).await? {
            Upgrade::Open(socket) => Ok(socket),
            Upgrade::Refused(status) => bail!("the relay refuses the tenant's key with {status}"),
        }
    }
}

fn known_agent(process: &RelayProcess, number: usize) -> anyhow::Result<KnownAgent> {
    let identity = process.identity(TENANT, &format!("agent-{number}"))?;
    let record = build(&identity, Card::default(), None, now())?;
    Ok(KnownAgent { identity, record })
}

/// Starts the relay again with a certificate of its own. The admin API was used before, without
/// TLS.
async fn serve_tls(process: &mut RelayProcess) -> anyhow::Result<TlsClient> {
    let name = "localhost";
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()])?;
    let file = |file: &str| process.data_folder().join(file).display().to_string();
    let (certificate, key) = (file("tls.crt"), file("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).context("write the certificate")?;
    std::fs::write(&key, made.signing_key.serialize_pem()).context("write its key")?;
    process.terminate().await?;
    let settings =
        [("MSG2AGENT_RELAY_TLS_CERT_FILE", &*certificate), ("MSG2AGENT_RELAY_TLS_KEY_FILE", &*key)];
    process.restart_with(&settings).await?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone())?;
    let client = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsClient { connector: TlsConnector::from(Arc::new(client)), server: ServerName::try_from(name)? })
}
