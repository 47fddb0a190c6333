//! Forwards a loopback port to a relay in a cluster: through the API server to its pod, with the
//! certificate checked against the relay's CA. Works on every cluster.

use std::sync::Arc;

use anyhow::Context as _;
use crds::name::{RELAY_PORT, relay_ca};
use k8s_openapi::api::core::v1::{Pod, Secret};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::namespace::TestNamespace;

/// Connections at once. More would be a test that forgets to close them.
const CONNECTIONS_MAX: usize = 64;

/// A plaintext port on loopback that forwards to the relay. Closed when dropped; connections
/// through it end by themselves.
#[derive(Debug)]
pub struct RelayPortForward {
    port: u16,
    accepting: JoinHandle<()>,
}

impl RelayPortForward {
    /// Forwards to the relay `relay` of the namespace, whichever process runs in its pod.
    ///
    /// # Errors
    /// No free port.
    pub async fn open(namespace: &TestNamespace, relay: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listen on loopback")?;
        let port = listener.local_addr()?.port();
        let accepting = tokio::spawn(accept(listener, namespace.clone(), relay.to_owned()));
        Ok(Self { port, accepting })
    }

    /// The WebSocket URL of the relay through the forwarded port.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/ws", self.port)
    }
}

impl Drop for RelayPortForward {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, namespace: TestNamespace, relay: String) {
    let free = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    while let Ok((near, _)) = listener.accept().await {
        let Ok(place) = Arc::clone(&free).acquire_owned().await else { return };
        let (namespace, relay) = (namespace.clone(), relay.clone());
        tokio::spawn(async move {
            // A relay that is away closes the connection, as it would without the forwarding.
            drop(join(near, &namespace, &relay).await);
            drop(place);
        });
    }
}

async fn join(mut near: TcpStream, namespace: &TestNamespace, relay: &str) -> anyhow::Result<()> {
    near.set_nodelay(true)?;
    let mut far = connect(namespace, relay).await?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}

/// One TLS connection to the relay's WebSocket port.
///
/// # Errors
/// The pod does not answer, or its certificate is not one of its authority.
pub async fn connect(
    namespace: &TestNamespace,
    relay: &str,
) -> anyhow::Result<impl AsyncRead + AsyncWrite + Unpin> {
    connect_to(namespace, relay, RELAY_PORT).await
}

/// One TLS connection to a port of the relay.
///
/// # Errors
/// The pod does not answer, or its certificate is not one of its authority.
pub async fn connect_to(
    namespace: &TestNamespace,
    relay: &str,
    port: u16,
) -> anyhow::Result<impl AsyncRead + AsyncWrite + Unpin> {
    let mut forward = namespace.api::<Pod>().portforward(&format!("{relay}-0"), &[port]).await?;
    let stream = forward.take_stream(port).context("open the port")?;
    let name = ServerName::try_from(host(namespace, relay))?;
    Ok(tokio_rustls::TlsConnector::from(trust(namespace, relay).await?).connect(name, stream).await?)
}

/// A name of the relay that its certificate must be for.
#[must_use]
pub fn host(namespace: &TestNamespace, relay: &str) -> String {
    format!("{relay}.{}.svc", namespace.name)
}

async fn trust(namespace: &TestNamespace, relay: &str) -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let secret = namespace.api::<Secret>().get(&relay_ca(relay)).await?;
    let pem = secret.data.as_ref().and_then(|data| data.get("tls.crt")).context("read the authority")?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem.0)?)?;
    Ok(Arc::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}
