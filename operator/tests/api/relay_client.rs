//! Tests of whom the operator shows a relay's admin token.

use std::net::SocketAddr;
use std::sync::Arc;

use msg2agent_operator::certificate::{CertifiedKey, create_authority, issue_serving};
use msg2agent_operator::relay_api::{RelayAccess, RelayApi as _, RelayError, Target};
use msg2agent_operator::relay_client::RelayClient;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

const HOST: &str = "main.platform.svc.cluster.local";
const TOKEN: &str = "very-secret-token";

fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn target(address: SocketAddr, authorities: String) -> Target {
    let token = Zeroizing::new(TOKEN.to_owned());
    Target { address, access: Arc::new(RelayAccess { token, authorities, server_name: HOST.into() }) }
}

/// A relay that answers one request over TLS with this certificate. Returns what it was sent.
async fn serve(certificate: &CertifiedKey) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(certificate.certificate.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await else {
            return String::new();
        };
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        let body = r#"{"version":7,"instance":"a","domain":"example.com","build":"0.1.0","newer":true}"#;
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        String::from_utf8_lossy(&request[..length]).to_lowercase()
    });
    (address, served)
}

fn install_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[tokio::test]
async fn a_relay_with_a_certificate_of_its_authority_gets_the_token_and_newer_answers_are_read() {
    install_provider();
    let authority = create_authority("main", now()).unwrap();
    let serving = issue_serving(&authority, &[HOST.to_owned()], now()).unwrap();
    let (address, served) = serve(&serving).await;
    let target = target(address, authority.certificate.clone());
    assert_eq!(RelayClient::new().version(&target).await.unwrap().version, 7);
    assert!(served.await.unwrap().contains(&format!("authorization: bearer {TOKEN}")));
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_for_another_name_gets_nothing() {
    install_provider();
    let (authority, other) =
        (create_authority("main", now()).unwrap(), create_authority("main", now()).unwrap());
    for (signer, name) in [(&other, HOST), (&authority, "alice-mcp.team.svc.cluster.local")] {
        let serving = issue_serving(signer, &[name.to_owned()], now()).unwrap();
        let (address, served) = serve(&serving).await;
        let target = target(address, authority.certificate.clone());
        let error = RelayClient::new().version(&target).await.unwrap_err();
        assert!(matches!(error, RelayError::Reach { .. }), "{error:?}");
        assert_eq!(served.await.unwrap(), "", "{name}");
    }
}

/// Whoever has the address of a relay pod that is gone.
#[tokio::test]
async fn a_plain_listener_at_a_ready_address_receives_no_token() {
    install_provider();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let received = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut received = vec![0; 4096];
        let length = stream.read(&mut received).await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        received.truncate(length);
        received
    });
    let authority = create_authority("main", now()).unwrap();
    let target = target(address, authority.certificate.clone());
    assert!(RelayClient::new().version(&target).await.is_err());
    let received = String::from_utf8_lossy(&received.await.unwrap()).to_lowercase();
    assert!(!received.contains("authorization") && !received.contains(TOKEN), "{received}");
}

#[tokio::test]
async fn a_new_authority_is_trusted_without_a_restart() {
    install_provider();
    let client = RelayClient::new();
    let (old, new) = (create_authority("main", now()).unwrap(), create_authority("main", now()).unwrap());
    let serving = issue_serving(&new, &[HOST.to_owned()], now()).unwrap();
    let (address, _served) = serve(&serving).await;
    assert!(client.version(&target(address, old.certificate.clone())).await.is_err());
    let (address, _served) = serve(&serving).await;
    let both = format!("{}{}", old.certificate, new.certificate);
    assert!(client.version(&target(address, both)).await.is_ok());
}
