//! Opens an agent's session with a Relay in the cluster: by its pod's address or by port
//! forwarding, TLS with the Relay's CA, WebSocket.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use protocol::Identity;
use protocol::api_key::ApiKey;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::bench_cluster::{BenchCluster, RelayAccess};
use crate::load::relay::admission::{self, Upgrade};

/// The Relay container's port.
const PORT: u16 = 8443;

/// An agent's credentials, read once before its key is revoked.
pub struct Credentials {
    url: String,
    key: ApiKey,
    identity: Identity,
    tls: Arc<rustls::ClientConfig>,
    server: ServerName<'static>,
    relay_pod: String,
    /// The pod's address when the credentials were read.
    relay_address: String,
}

/// A connection of either way to a Relay.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<C: AsyncRead + AsyncWrite + Send + Unpin> Connection for C {}

/// A registered session.
pub struct RelaySession<S>(WebSocketStream<S>);

impl Credentials {
    /// From the Secrets of Agent `name` at `relay`.
    ///
    /// # Errors
    /// A Secret that is not what an Agent's documentation says.
    pub async fn read(cluster: &BenchCluster, name: &str, relay: &str) -> anyhow::Result<Self> {
        let secret = cluster.secret(&format!("{name}-relay")).await?;
        let url = entry(&secret, "url")?;
        let key = entry(&secret, "token")?.parse()?;
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(entry(&secret, "ca.crt")?.as_bytes()) {
            roots.add(certificate?)?;
        }
        let identity = entry(&cluster.secret(&format!("{name}-identity")).await?, "identity.json")?;
        let host = url
            .strip_prefix("wss://")
            .and_then(|rest| rest.split([':', '/']).next())
            .context("not a wss URL")?;
        let server = ServerName::try_from(host.to_owned())?;
        let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let relay_pod = format!("{relay}-0");
        let pod = cluster.pods().get(&relay_pod).await.context("find the Relay's pod")?;
        let relay_address = pod.status.and_then(|status| status.pod_ip).context("a pod without address")?;
        let identity = Identity::from_key_file(&identity)?;
        Ok(Self { url, key, identity, tls: Arc::new(tls), server, relay_pod, relay_address })
    }

    /// A connection that has not said who it is.
    ///
    /// # Errors
    /// The Relay's pod is not reached, or is not the Relay.
    pub async fn connect(&self, cluster: &BenchCluster) -> anyhow::Result<TlsStream<Box<dyn Connection>>> {
        let plain: Box<dyn Connection> = match cluster.access {
            RelayAccess::PortForward => {
                let forward = cluster.pods().portforward(&self.relay_pod, &[PORT]).await;
                let mut forward = forward.context("forward a port")?;
                Box::new(forward.take_stream(PORT).context("the port is not forwarded")?)
            }
            RelayAccess::PodAddress => {
                let connected = TcpStream::connect((self.relay_address.as_str(), PORT)).await;
                Box::new(connected.context("connect to the Relay's pod")?)
            }
        };
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.tls));
        connector.connect(self.server.clone(), plain).await.context("TLS with the Relay")
    }

    /// # Errors
    /// The Relay does not let the agent in.
    pub async fn register(
        &self,
        cluster: &BenchCluster,
    ) -> anyhow::Result<RelaySession<TlsStream<Box<dyn Connection>>>> {
        let stream = self.connect(cluster).await?;
        match admission::open(stream, &self.url, &self.key).await? {
            Upgrade::Open(mut socket) => {
                admission::register(&mut socket, &self.identity).await?;
                Ok(RelaySession(*socket))
            }
            Upgrade::Refused(status) => bail!("the Relay refuses a good key with {status}"),
        }
    }

    /// The HTTP status with which the Relay refuses the key now; `None` when it is accepted.
    ///
    /// # Errors
    /// No answer at all.
    pub async fn refusal<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        connection: S,
    ) -> anyhow::Result<Option<u16>> {
        Ok(match admission::open(connection, &self.url, &self.key).await? {
            Upgrade::Open(_) => None,
            Upgrade::Refused(status) => Some(status),
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> RelaySession<S> {
    /// Reads until the Relay closes; its code.
    ///
    /// # Errors
    /// The connection breaks without a close frame.
    pub async fn closed(mut self) -> anyhow::Result<u16> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return Ok(frame.code.into()),
                Some(Ok(Message::Close(None))) | None | Some(Err(Error::ConnectionClosed)) => {
                    bail!("the Relay closes the session without a code")
                }
                Some(Ok(_)) => (),
                Some(Err(error)) => return Err(error).context("read the session"),
            }
        }
    }
}

fn entry(secret: &Secret, name: &str) -> anyhow::Result<String> {
    let found = secret.data.as_ref().and_then(|data| data.get(name));
    let bytes = found.with_context(|| format!("a Secret without {name}"))?;
    String::from_utf8(bytes.0.clone()).with_context(|| format!("{name} is not text"))
}
