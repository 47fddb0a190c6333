//! Fetches from a test server on loopback, with loopback allowed and with the real SSRF guard.

use std::error::Error as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::public_address::is_public;
use crate::public_resolver::{Lookup, check_addresses};
use crate::test_proxy::TestProxy;

const LIMITS: FetchLimits = FetchLimits {
    bytes: 5 * 1024,
    fetches: 8,
    timeout: http_client::OUTBOUND_REQUEST_TIMEOUT,
    json_only: true,
};

const JSON: &str = "200 OK\r\nContent-Type: application/json";

/// A server that sends the same response to every request.
struct Server {
    url: Url,
    /// The root certificate that clients have to trust.
    roots: RootCertStore,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start(answer: String) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "client.example".to_owned()];
        let cert = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], secret)
            .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        tokio::spawn(serve(listener, Arc::new(config).into(), answer, Arc::clone(&connections)));
        Self { url: Url::parse(&format!("https://localhost:{port}/client")).unwrap(), roots, connections }
    }

    /// The URL with a host name that only the resolver of a test knows.
    fn named(&self) -> Url {
        let mut url = self.url.clone();
        url.set_host(Some("client.example")).unwrap();
        url
    }

    /// Fetches with a resolver that returns these addresses for every host name.
    async fn fetch_at(
        &self,
        lookup: Lookup,
        allowed: fn(IpAddr) -> bool,
    ) -> Result<FetchedDocument, FetchError> {
        let resolver = PublicResolver { lookup, allowed };
        DocumentFetcher::with(self.roots.clone(), resolver, None, LIMITS).unwrap().fetch(&self.named()).await
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(
    listener: tokio::net::TcpListener,
    acceptor: TlsAcceptor,
    answer: String,
    connections: Arc<AtomicUsize>,
) {
    while let Ok((socket, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        let Ok(mut stream) = acceptor.accept(socket).await else { continue };
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// Addresses as text for a [`Lookup`].
macro_rules! resolves_to {
    ($($address:literal),+) => {
        |_| Box::pin(async { Ok(vec![$(SocketAddr::new($address.parse().unwrap(), 0)),+]) })
    };
}

fn causes(error: &FetchError) -> String {
    let mut texts = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.join(": ")
}

#[tokio::test]
async fn a_document_arrives_with_its_freshness() {
    let head = "200 OK\r\nContent-Type: application/json; charset=utf-8\r\nCache-Control: max-age=90";
    let server = Server::start(answer(head, "{}")).await;
    let fetched = server.fetch_at(resolves_to!("127.0.0.1"), |_| true).await.unwrap();
    assert_eq!(
        (fetched.bytes.as_slice(), fetched.cache_control.as_deref()),
        (&b"{}"[..], Some("max-age=90"))
    );
}

#[tokio::test]
async fn a_response_that_is_no_document_is_refused_with_its_reason() {
    let large = format!("\"{}\"", "x".repeat(LIMITS.bytes));
    for (answer, reason) in [
        (answer("403 Forbidden\r\nContent-Type: text/html", "<html>"), "fetch_status"),
        (answer("200 OK\r\nContent-Type: text/html", "<html>"), "fetch_content_type"),
        (answer(JSON, &large), "fetch_too_large"),
    ] {
        let server = Server::start(answer).await;
        let refused = server.fetch_at(resolves_to!("127.0.0.1"), |_| true).await.unwrap_err();
        assert_eq!(refused.reason(), reason);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_wherever_it_leads() {
    let inside = Server::start(answer(JSON, "{}")).await;
    let in_clear = inside.url.as_str().replace("https://localhost", "http://127.0.0.1");
    for place in [inside.url.as_str(), inside.named().as_str(), &in_clear] {
        for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"] {
            let server = Server::start(answer(&format!("{status}\r\nLocation: {place}"), "")).await;
            let refused = server.fetch_at(resolves_to!("127.0.0.1"), |_| true).await.unwrap_err();
            assert_eq!((refused.reason(), server.connections()), ("fetch_status", 1));
        }
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn a_host_name_that_resolves_to_a_private_address_is_not_connected_to() {
    let server = Server::start(answer(JSON, "{}")).await;
    let places: [Lookup; 9] = [
        resolves_to!("127.0.0.1"),
        resolves_to!("::1"),
        resolves_to!("10.0.0.1"),
        resolves_to!("192.168.1.1"),
        resolves_to!("169.254.169.254"),
        resolves_to!("fe80::1"),
        resolves_to!("fd00::1"),
        resolves_to!("::ffff:127.0.0.1"),
        resolves_to!("8.8.8.8", "127.0.0.1"),
    ];
    for lookup in places {
        let refused = server.fetch_at(lookup, is_public).await.unwrap_err();
        assert!(causes(&refused).contains("not public"), "{refused:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn localhost_is_not_connected_to() {
    let server = Server::start(answer(JSON, "{}")).await;
    let fetcher = DocumentFetcher::new(server.roots.clone(), AllowedAddresses::Public, None, LIMITS).unwrap();
    let refused = fetcher.fetch(&server.url).await.unwrap_err();
    assert!(causes(&refused).contains("not public"), "{refused:?}");
    assert_eq!(server.connections(), 0);
}

/// The client takes an address as it is, and a resolver would never be asked about it.
#[tokio::test]
async fn an_address_instead_of_a_host_name_is_refused_in_each_of_its_spellings() {
    let server = Server::start(answer(JSON, "{}")).await;
    let fetcher =
        DocumentFetcher::new(server.roots.clone(), AllowedAddresses::AnyInsecure, None, LIMITS).unwrap();
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "0x7f000001", "017700000001", "[::1]"] {
        let url = Url::parse(&format!("https://{host}:{}/", server.url.port().unwrap())).unwrap();
        let refused = fetcher.fetch(&url).await.unwrap_err();
        assert!(matches!(refused, FetchError::Address), "{host}: {refused:?}");
    }
    assert_eq!(server.connections(), 0);
}

/// How often the host name below was resolved.
static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

/// A host name that resolves to an inside address from the second time on (DNS rebinding).
fn moves(_: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
    let first = LOOKUPS.fetch_add(1, Ordering::SeqCst) == 0;
    let address = if first { "127.0.0.2" } else { "127.0.0.1" };
    Box::pin(async move { Ok(vec![SocketAddr::new(address.parse().unwrap(), 0)]) })
}

#[tokio::test]
async fn the_connection_goes_to_the_address_that_was_checked() {
    let server = Server::start(answer(JSON, "{}")).await;
    // The server's own address is the forbidden inside; its neighbour, where nobody listens, is the
    // allowed outside.
    let resolver =
        PublicResolver { lookup: moves, allowed: |address| address != IpAddr::from([127, 0, 0, 1]) };
    let fetcher = DocumentFetcher::with(server.roots.clone(), resolver, None, LIMITS).unwrap();
    let first = fetcher.fetch(&server.named()).await.unwrap_err();
    assert!(!causes(&first).contains("not public"), "{first:?}");
    assert_eq!((LOOKUPS.load(Ordering::SeqCst), server.connections()), (1, 0));
    // The next fetch resolves the host name again and finds the forbidden address.
    let second = fetcher.fetch(&server.named()).await.unwrap_err();
    assert!(causes(&second).contains("not public"), "{second:?}");
    assert_eq!((LOOKUPS.load(Ordering::SeqCst), server.connections()), (2, 0));
}

/// A host name that does not resolve here, as public names in a network without a way out.
fn unknown_here(_: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
    Box::pin(async { Err(io::ErrorKind::NotFound.into()) })
}

async fn fetch_by_proxy(
    server: &Server,
    lookup: Lookup,
    except: &str,
) -> (Result<FetchedDocument, FetchError>, usize) {
    let proxy = TestProxy::start(server.url.port().unwrap()).await;
    let resolver = PublicResolver { lookup, allowed: is_public };
    let fetcher =
        DocumentFetcher::with(server.roots.clone(), resolver, Some(&proxy.settings(except)), LIMITS).unwrap();
    let fetched = fetcher.fetch(&server.named()).await;
    (fetched, proxy.requests().len())
}

#[tokio::test]
async fn a_document_comes_through_the_proxy_where_there_is_no_other_way() {
    let server = Server::start(answer(JSON, "{}")).await;
    for lookup in [unknown_here as Lookup, resolves_to!("8.8.8.8")] {
        // An exception does not lead a stranger's document around the proxy.
        let (fetched, asked) = fetch_by_proxy(&server, lookup, "client.example").await;
        assert_eq!((fetched.unwrap().bytes.as_slice(), asked), (&b"{}"[..], 1));
    }
}

#[tokio::test]
async fn a_host_name_that_is_seen_to_be_inside_is_not_given_to_the_proxy() {
    let server = Server::start(answer(JSON, "{}")).await;
    let (refused, asked) = fetch_by_proxy(&server, resolves_to!("10.0.0.1"), "").await;
    let refused = refused.unwrap_err();
    assert!(causes(&refused).contains("not public"), "{refused:?}");
    assert_eq!((refused.reason(), asked, server.connections()), ("fetch_failed", 0, 0));
}

#[test]
fn one_private_address_among_public_ones_refuses_all() {
    let address = |text: &str| SocketAddr::new(text.parse().unwrap(), 0);
    check_addresses(vec![address("8.8.8.8")], is_public).unwrap();
    check_addresses(vec![address("8.8.8.8"), address("10.0.0.1")], is_public).unwrap_err();
    check_addresses(vec![], is_public).unwrap_err();
}
