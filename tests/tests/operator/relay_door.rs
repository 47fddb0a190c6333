//! What a relay answers to an API key at its WebSocket port, reached through the API server so that it works on every cluster.

use std::sync::Arc;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{Pod, Secret};
use msg2agent_tests::namespace::TestNamespace;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The relay took the key and switches to the WebSocket protocol.
pub(crate) const ACCEPTED: &str = "101";
/// The key is unknown or revoked.
pub(crate) const REFUSED: &str = "401";
/// The key is known, its agent or tenant is suspended.
pub(crate) const SUSPENDED: &str = "403";

const PORT: u16 = 8443;

/// The status of the answer to `token`. The certificate is checked against the relay's authority.
pub(crate) async fn answer(namespace: &TestNamespace, token: &str) -> anyhow::Result<String> {
    let mut forward = namespace.api::<Pod>().portforward("main-0", &[PORT]).await?;
    let stream = forward.take_stream(PORT).context("open the port")?;
    let host = format!("main.{}.svc", namespace.name);
    let name = ServerName::try_from(host.clone())?;
    let mut stream = tokio_rustls::TlsConnector::from(trust(namespace).await?).connect(name, stream).await?;
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: msg2agent.v1\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut line = [0; 12];
    stream.read_exact(&mut line).await.context("read the status line")?;
    let line = std::str::from_utf8(&line)?;
    line.strip_prefix("HTTP/1.1 ").map(str::to_owned).with_context(|| format!("{line:?} is no status line"))
}

async fn trust(namespace: &TestNamespace) -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let secret = namespace.api::<Secret>().get("main-ca").await?;
    let pem = secret.data.as_ref().and_then(|data| data.get("tls.crt")).context("read the authority")?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem.0)?)?;
    Ok(Arc::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}
