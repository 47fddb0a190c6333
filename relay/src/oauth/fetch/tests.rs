//! The fetch against a server of our own, once with loopback allowed and once as it runs.

use std::error::Error as _;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::oauth::address::is_public;

/// A server that answers every request with `answer`; its URL, and the root that it is trusted by.
async fn serve(answer: String) -> (Url, RootCertStore) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], secret)
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(std::sync::Arc::new(config));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (Url::parse(&format!("https://localhost:{port}/client")).unwrap(), roots)
}

fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

async fn fetch(answer: String) -> Result<Fetched, FetchError> {
    let (url, roots) = serve(answer).await;
    Fetcher::new(roots, |_| true).unwrap().fetch(&url).await
}

#[tokio::test]
async fn a_document_arrives_with_its_freshness() {
    let head = "200 OK\r\nContent-Type: application/json; charset=utf-8\r\nCache-Control: max-age=90";
    let fetched = fetch(answer(head, "{}")).await.unwrap();
    assert_eq!(
        (fetched.bytes.as_slice(), fetched.cache_control.as_deref()),
        (&b"{}"[..], Some("max-age=90"))
    );
}

#[tokio::test]
async fn what_is_no_document_is_refused_with_its_reason() {
    let large = format!("\"{}\"", "x".repeat(DOCUMENT_BYTES_MAX));
    for (answer, reason) in [
        (answer("302 Found\r\nLocation: https://localhost/", ""), "fetch_status"),
        (answer("403 Forbidden\r\nContent-Type: text/html", "<html>"), "fetch_status"),
        (answer("200 OK\r\nContent-Type: text/html", "<html>"), "fetch_content_type"),
        (answer("200 OK\r\nContent-Type: application/json", &large), "fetch_too_large"),
    ] {
        assert_eq!(fetch(answer).await.unwrap_err().reason(), reason);
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_connected_to() {
    let (url, roots) = serve(answer("200 OK\r\nContent-Type: application/json", "{}")).await;
    let refused = Fetcher::new(roots, is_public).unwrap().fetch(&url).await.unwrap_err();
    let mut cause = refused.source();
    let mut said = String::new();
    while let Some(error) = cause {
        said.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(said.contains("not public"), "{said}");
}

#[test]
fn one_private_address_among_public_ones_refuses_all() {
    let address = |text: &str| SocketAddr::new(text.parse().unwrap(), 0);
    check(vec![address("8.8.8.8")], is_public).unwrap();
    check(vec![address("8.8.8.8"), address("10.0.0.1")], is_public).unwrap_err();
    check(vec![], is_public).unwrap_err();
}
