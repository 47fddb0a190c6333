//! The https site of a domain, which answers each request for a DID document in the same way.

use std::sync::{Arc, Mutex};

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// How the site answers.
#[derive(Debug, Clone)]
pub(crate) enum Conduct {
    /// With this status line, these further headers, and this body.
    Answers(&'static str, String, Vec<u8>),
    /// With bytes that never end, as fast as they are read.
    Floods,
    /// With nothing.
    IsSilent,
    /// With a head, and then one byte after the other.
    Drips,
}

/// A site that ends when it is dropped.
pub(crate) struct DocumentSite {
    pub(crate) port: u16,
    /// Its certificate in PEM, which is its own authority.
    pub(crate) certificate: String,
    asked: Arc<Mutex<Vec<String>>>,
    _connections: JoinSet<()>,
}

impl DocumentSite {
    /// Listens on a free port of this machine. The conduct may depend on the port.
    pub(crate) async fn start(conduct: impl FnOnce(u16) -> Conduct) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let acceptor = acceptor(made.cert.der().clone(), made.signing_key.serialize_der());
        let (asked, conduct) = (Arc::<Mutex<Vec<String>>>::default(), conduct(port));
        let mut connections = JoinSet::new();
        let noted = Arc::clone(&asked);
        connections.spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                clients.spawn(serve(acceptor.clone(), tcp, conduct.clone(), Arc::clone(&noted)));
            }
        });
        Self { port, certificate: made.cert.pem(), asked, _connections: connections }
    }

    /// The domain as it stands in a DID.
    pub(crate) fn domain(port: u16) -> String {
        format!("localhost%3A{port}")
    }

    /// The paths that were asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn acceptor(certificate: CertificateDer<'static>, key: Vec<u8>) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Answers one request, and closes the connection. A client that has seen enough goes away.
async fn serve(acceptor: TlsAcceptor, tcp: TcpStream, conduct: Conduct, asked: Arc<Mutex<Vec<String>>>) {
    let Ok(mut client) = acceptor.accept(tcp).await else { return };
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    let path = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().unwrap().push(path);
    // It fails when the client has gone away.
    let _ = answer(&mut client, conduct).await;
    let _ = client.shutdown().await;
}

async fn answer(client: &mut (impl AsyncWrite + Unpin), conduct: Conduct) -> std::io::Result<()> {
    const ENDLESS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    match conduct {
        Conduct::Answers(status, headers, body) => {
            let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
            client.write_all(head.as_bytes()).await?;
            client.write_all(&body).await?;
            client.flush().await
        }
        Conduct::Floods => {
            client.write_all(ENDLESS).await?;
            loop {
                client.write_all(&[b' '; 4096]).await?;
            }
        }
        Conduct::IsSilent => std::future::pending().await,
        Conduct::Drips => {
            client.write_all(ENDLESS).await?;
            let mut drops = tokio::time::interval(std::time::Duration::from_millis(100));
            loop {
                drops.tick().await;
                client.write_all(b" ").await?;
                client.flush().await?;
            }
        }
    }
}
