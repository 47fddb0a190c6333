//! Strangers who open connections to an endpoint or a gateway and send nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use daemon::https::{ReloadingCertificate, TlsFiles, server_config};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::gateway::Gateway;
use crate::test_endpoint::{TestEndpoint, write_certificate};

/// A client that behaves is served within this time, whatever others do.
const SERVED_TIMEOUT: Duration = Duration::from_secs(1);
const STRANGER: &str = "127.0.0.2:0";
const CLIENT: &str = "127.0.0.3:0";

/// A server's TLS configuration, and a client that trusts it.
async fn tls() -> (Arc<ServerConfig>, TlsConnector) {
    let folder = tempfile::tempdir().unwrap();
    let files = TlsFiles { cert: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
    let pem = write_certificate(&files.cert, &files.key);
    let certificate = ReloadingCertificate::load(files).await.unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    (server_config(&certificate).unwrap(), TlsConnector::from(Arc::new(client)))
}

/// Any address of 127.0.0.0/8 is one of this machine.
async fn connect(to: SocketAddr, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(from.parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

async fn connect_tls(to: SocketAddr, from: &str, connector: &TlsConnector) -> TlsStream<TcpStream> {
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, connect(to, from).await).await.unwrap()
}

/// A TLS handshake and one request without a credential, which is answered with status 401.
async fn is_served_in_time(address: SocketAddr, connector: &TlsConnector) -> bool {
    let request = async {
        let mut stream = connect_tls(address, CLIENT, connector).await;
        let request =
            b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(request).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    };
    let response = tokio::time::timeout(SERVED_TIMEOUT, request).await;
    response.is_ok_and(|response| response.starts_with("HTTP/1.1 401 "))
}

async fn check_silent_connections(address: SocketAddr, connector: &TlsConnector) {
    let mut silent = Vec::new();
    for count in [64, 640] {
        while silent.len() < count {
            silent.push(connect(address, STRANGER).await);
        }
        assert!(is_served_in_time(address, connector).await, "{count}");
    }
}

async fn check_silence_after_the_handshake(address: SocketAddr, connector: &TlsConnector) {
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(connect_tls(address, STRANGER, connector).await);
    }
    assert!(is_served_in_time(address, connector).await);
}

#[tokio::test]
async fn silent_connections_to_an_endpoint_keep_no_other_address_waiting() {
    let (config, connector) = tls().await;
    let endpoint = TestEndpoint::start_with(Some(config), None).await;
    check_silent_connections(endpoint.address, &connector).await;
}

#[tokio::test]
async fn silent_connections_to_a_gateway_keep_no_other_address_waiting() {
    let (config, connector) = tls().await;
    let gateway = Gateway::start_with(Some(config)).await;
    check_silent_connections(gateway.address, &connector).await;
}

#[tokio::test]
async fn silence_after_the_handshake_keeps_no_other_client_of_an_endpoint_waiting() {
    let (config, connector) = tls().await;
    let endpoint = TestEndpoint::start_with(Some(config), None).await;
    check_silence_after_the_handshake(endpoint.address, &connector).await;
}

#[tokio::test]
async fn silence_after_the_handshake_keeps_no_other_client_of_a_gateway_waiting() {
    let (config, connector) = tls().await;
    let gateway = Gateway::start_with(Some(config)).await;
    check_silence_after_the_handshake(gateway.address, &connector).await;
}

#[tokio::test]
async fn silent_connections_of_one_address_never_fill_an_endpoint() {
    let (config, connector) = tls().await;
    let endpoint = TestEndpoint::start_with(Some(config), None).await;
    let mut silent = Vec::new();
    for _ in 0..640 {
        silent.push(connect(endpoint.address, STRANGER).await);
    }
    assert!(is_served_in_time(endpoint.address, &connector).await);
    let metrics = endpoint.metrics();
    let full = "msg2agent_mcp_connections_turned_away_total{cause=\"full\"} 0";
    // A quarter of 512 connections may be pending.
    let displaced = "msg2agent_mcp_connections_turned_away_total{cause=\"pending_share\"} 512";
    assert!(metrics.contains(full) && metrics.contains(displaced), "{metrics}");
}
