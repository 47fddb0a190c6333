//! Resolves from a site on loopback, with loopback allowed and with the real SSRF guard.

use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::Identity;
use protocol::document::{Assurance, build};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

const NOW: u64 = 1_790_000_000;

/// The site of a domain, which answers every request with the same bytes.
struct Site {
    roots: RootCertStore,
    requests: Arc<AtomicUsize>,
    dids: [WbaDid; 2],
}

impl Site {
    /// `answer` makes the response from the named and the self-certifying document.
    async fn start(answer: impl FnOnce([String; 2]) -> String) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![cert.der().clone()], secret).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let did = format!("did:wba:localhost%3A{port}:agent:acme:alice").parse().unwrap();
        let (named, certified) = build(&Identity::generate(did, NOW, &mut rand::rng()), None, NOW);
        let dids = [&named, &certified].map(|document| document.id.parse().unwrap());
        let answer = answer([&named, &certified].map(|document| serde_json::to_string(document).unwrap()));
        let requests = Arc::new(AtomicUsize::new(0));
        tokio::spawn(serve(listener, Arc::new(config).into(), answer, Arc::clone(&requests)));
        Self { roots, requests, dids }
    }

    fn resolver(&self, allowed: AllowedAddresses) -> DidResolver {
        DidResolver::new(self.roots.clone(), allowed, None).unwrap()
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, answer: String, requests: Arc<AtomicUsize>) {
    while let Ok((socket, _)) = listener.accept().await {
        requests.fetch_add(1, Ordering::SeqCst);
        let Ok(mut stream) = acceptor.accept(socket).await else { continue };
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_document_is_fetched_verified_and_kept_until_its_time() {
    let site = Site::start(|[_, alias]| answer("200 OK\r\nCache-Control: max-age=60", &alias)).await;
    let resolver = site.resolver(AllowedAddresses::AnyInsecure);
    let found = resolver.resolve(&site.dids[1], NOW).await.unwrap();
    assert_eq!((&found.did, found.assurance), (&site.dids[1], Assurance::SelfCertified));
    resolver.resolve(&site.dids[1], NOW + 59).await.unwrap();
    assert_eq!(site.requests(), 1);
    resolver.resolve(&site.dids[1], NOW + 60).await.unwrap();
    assert_eq!(site.requests(), 2);
}

#[tokio::test]
async fn a_domain_that_leads_inside_is_not_connected_to() {
    let site = Site::start(|[named, _]| answer("200 OK", &named)).await;
    let error = site.resolver(AllowedAddresses::Public).resolve(&site.dids[0], NOW).await.unwrap_err();
    assert!(matches!(error, ResolveError::Fetch(FetchError::Send(_))), "{error:?}");
    assert!(format!("{error:?}").contains("NotPublic"), "{error:?}");
    assert_eq!(site.requests(), 0);
}

#[tokio::test]
async fn a_document_that_does_not_verify_is_neither_believed_nor_kept() {
    let tampered = |[_, alias]: [String; 2]| {
        answer("200 OK", &alias.replace("assertionMethod\":[", "assertionMethod\":[ \"x\","))
    };
    let site = Site::start(tampered).await;
    let resolver = site.resolver(AllowedAddresses::AnyInsecure);
    for _ in 0..2 {
        let error = resolver.resolve(&site.dids[1], NOW).await.unwrap_err();
        let why = matches!(error, ResolveError::Document(ResolvedDocumentError::Proof));
        assert!(why && !error.may_change(), "{error:?}");
    }
    assert_eq!(site.requests(), 2);
    let error = resolver.resolve(&site.dids[0], NOW).await.unwrap_err();
    assert!(matches!(error, ResolveError::Document(ResolvedDocumentError::Subject { .. })), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_is_no_document_is_refused_and_an_outage_may_change() {
    let long = " ".repeat(RECORD_BYTES_MAX + 1);
    for (head, body, may_change) in [
        ("302 Found\r\nLocation: https://localhost/", "", false),
        ("404 Not Found", "", false),
        ("200 OK", long.as_str(), false),
        ("503 Service Unavailable", "", true),
        ("429 Too Many Requests", "", true),
    ] {
        let site = Site::start(|_| answer(head, body)).await;
        let resolver = site.resolver(AllowedAddresses::AnyInsecure);
        let error = resolver.resolve(&site.dids[0], NOW).await.unwrap_err();
        assert!(matches!(error, ResolveError::Fetch(_)), "{head}: {error:?}");
        assert_eq!((error.may_change(), site.requests()), (may_change, 1), "{head}");
    }
}
