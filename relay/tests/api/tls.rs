//! Tests of TLS on the public listener, and of the renewal of its certificate.

use std::path::Path;
use std::sync::Arc;

use msg2agent_relay::config::TlsFiles;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::harness::{TestRelay, eventually, start_with};

pub(crate) struct Pair {
    pub(crate) certificate: CertificateDer<'static>,
    cert_pem: String,
    key_pem: String,
}

pub(crate) fn pair() -> Pair {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    Pair {
        certificate: made.cert.der().clone(),
        cert_pem: made.cert.pem(),
        key_pem: made.signing_key.serialize_pem(),
    }
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles { cert: folder.join("tls.crt"), key: folder.join("tls.key") }
}

pub(crate) async fn start_with_tls(first: &Pair) -> (TestRelay, TlsFiles) {
    let mut written = None;
    let relay = start_with(|config, folder| {
        let files = files(folder);
        std::fs::write(&files.cert, &first.cert_pem).unwrap();
        std::fs::write(&files.key, &first.key_pem).unwrap();
        config.tls = Some(files.clone());
        written = Some(files);
    })
    .await;
    (relay, written.unwrap())
}

/// Whether the relay serves this certificate.
async fn is_served(relay: &TestRelay, certificate: &CertificateDer<'static>) -> bool {
    let socket = TcpStream::connect(relay.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    connector(certificate).connect(name, socket).await.is_ok()
}

/// Connects to servers that show this certificate, and to no others.
pub(crate) fn connector(certificate: &CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn a_renewed_certificate_is_served_without_a_restart() {
    let (first, second) = (pair(), pair());
    let (relay, files) = start_with_tls(&first).await;
    assert!(is_served(&relay, &first.certificate).await);
    assert!(!is_served(&relay, &second.certificate).await);
    std::fs::write(&files.cert, &second.cert_pem).unwrap();
    std::fs::write(&files.key, &second.key_pem).unwrap();
    eventually("the renewed certificate", async || {
        is_served(&relay, &second.certificate).await.then_some(())
    })
    .await;
    assert!(!is_served(&relay, &first.certificate).await);
}

#[tokio::test]
async fn a_certificate_without_its_key_is_refused_and_the_one_before_stays() {
    let (first, second) = (pair(), pair());
    let (relay, files) = start_with_tls(&first).await;
    std::fs::write(&files.cert, &second.cert_pem).unwrap();
    let refused = "msg2agent_relay_tls_reloads_total{result=\"refused\"}";
    eventually("the refusal is counted", async || relay.metric(refused).await.filter(|count| *count > 0.0))
        .await;
    assert!(is_served(&relay, &first.certificate).await);
    assert!(!is_served(&relay, &second.certificate).await);
}

#[tokio::test]
async fn a_plaintext_request_to_the_tls_port_is_counted_as_a_failed_handshake() {
    let (relay, _) = start_with_tls(&pair()).await;
    assert!(relay.client.get(&relay.url).send().await.is_err());
    let failed = "msg2agent_relay_connections_turned_away_total{cause=\"tls_handshake\"}";
    eventually("the failure is counted", async || relay.metric(failed).await.filter(|count| *count > 0.0))
        .await;
}
