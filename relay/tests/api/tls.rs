//! Tests of TLS on the public listener and on the admin listener, and of the renewal of their
//! certificate.

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

/// The status of `GET version` over TLS with the server's certificate as the only authority, or
/// nothing if the server shows another one.
async fn admin_status(relay: &TestRelay, certificate: &CertificateDer<'static>) -> Option<u16> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let address: std::net::SocketAddr = relay.admin_url.strip_prefix("https://").unwrap().parse().unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(config).resolve("localhost", address);
    let url = format!("https://localhost:{}/admin/v1/version", address.port());
    let token = std::fs::read_to_string(relay.token_file()).unwrap();
    let answer = client.build().unwrap().get(url).bearer_auth(token.trim()).send().await;
    answer.ok().map(|answer| answer.status().as_u16())
}

#[tokio::test]
async fn the_admin_api_is_served_with_the_relays_certificate_and_its_renewal() {
    let (first, second) = (pair(), pair());
    let (relay, files) = start_with_tls(&first).await;
    assert_eq!(admin_status(&relay, &first.certificate).await, Some(200));
    assert_eq!(admin_status(&relay, &second.certificate).await, None);
    std::fs::write(&files.cert, &second.cert_pem).unwrap();
    std::fs::write(&files.key, &second.key_pem).unwrap();
    eventually("the renewed certificate", async || admin_status(&relay, &second.certificate).await).await;
}

#[tokio::test]
async fn a_plaintext_request_with_the_token_is_not_answered_where_there_is_a_certificate() {
    let (relay, _) = start_with_tls(&pair()).await;
    let url = relay.admin_url.replace("https://", "http://");
    let answer = relay.client.get(format!("{url}/admin/v1/version")).send().await;
    assert!(answer.is_err(), "{answer:?}");
    let failed = "msg2agent_relay_admin_connections_turned_away_total{cause=\"tls_handshake\"}";
    eventually("the failure is counted", async || relay.metric(failed).await.filter(|count| *count > 0.0))
        .await;
}

#[tokio::test]
async fn a_setting_keeps_the_admin_listener_in_plaintext_beside_tls() {
    let pair = pair();
    let relay = start_with(|config, folder| {
        let files = files(folder);
        std::fs::write(&files.cert, &pair.cert_pem).unwrap();
        std::fs::write(&files.key, &pair.key_pem).unwrap();
        config.tls = Some(files);
        config.insecure_admin_plaintext = true;
    })
    .await;
    let version: protocol::admin::Version = relay.get("version").await.unwrap();
    assert_eq!(version.version, 1);
    assert!(is_served(&relay, &pair.certificate).await);
}
