//! The public listener against clients that send nothing, too little, or come too often.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use msg2agent_daemon::Shutdown;
use msg2agent_daemon::https::{
    self, ConnectionSlot, Listener, ListenerLimits, ListenerMetrics, ReloadingCertificate, TlsFiles,
};
use prometheus::{Registry, TextEncoder};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::TaskTracker;

/// The bound of the issue: a client that behaves is served within this time, whatever others do.
const SERVED_TIMEOUT: Duration = Duration::from_secs(1);
/// Longer than anything else here takes on a busy machine.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);
const STRANGER: &str = "127.0.0.2";
const CLIENT: &str = "127.0.0.3";

struct Served {
    address: SocketAddr,
    registry: Registry,
    closing: Shutdown,
    connector: TlsConnector,
}

impl Served {
    async fn start(limits: ListenerLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&files.cert, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        let certificate = ReloadingCertificate::load(files).await.unwrap();
        let registry = Registry::new();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let listener = Listener {
            socket,
            tls: Some(https::server_config(&certificate).unwrap()),
            router: Router::new().route("/", get(peer)),
            metrics: ListenerMetrics::register(&registry, "test").unwrap(),
            limits,
            connections: TaskTracker::new(),
        };
        let closing = Shutdown::new();
        tokio::spawn(listener.serve(closing.clone(), TEST_TIMEOUT));
        let connector = connector(made.cert.der().clone());
        Self { address, registry, closing, connector }
    }

    async fn connect(&self, from: &str) -> TcpStream {
        connect_from(from, self.address).await
    }

    async fn connect_tls(&self, from: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        self.connector.connect(name, self.connect(from).await).await
    }

    /// The response to one request on a new connection.
    async fn get(&self, from: &str) -> std::io::Result<String> {
        let mut stream = self.connect_tls(from).await?;
        request(&mut stream, "connection: close\r\n").await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        Ok(response)
    }

    async fn is_served_in_time(&self, from: &str) -> bool {
        let response = tokio::time::timeout(SERVED_TIMEOUT, self.get(from)).await;
        matches!(response, Ok(Ok(text)) if text.starts_with("HTTP/1.1 200 ") && text.ends_with(from))
    }

    fn metric(&self, name: &str) -> u64 {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    fn turned_away(&self, cause: &str) -> u64 {
        self.metric(&format!("test_connections_turned_away_total{{cause=\"{cause}\"}}"))
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let waited = tokio::time::timeout(TEST_TIMEOUT, async {
            while !is_so(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(waited.await.is_ok(), "not in time: {what}");
    }
}

async fn peer(axum::Extension(slot): axum::Extension<ConnectionSlot>) -> String {
    slot.peer().ip().to_string()
}

fn connector(certificate: CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Any address of 127.0.0.0/8 is one of this machine.
async fn connect_from(from: &str, to: SocketAddr) -> TcpStream {
    let from = SocketAddr::new(from.parse::<IpAddr>().unwrap(), 0);
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(from).unwrap();
    socket.connect(to).await.unwrap()
}

async fn request(stream: &mut (impl tokio::io::AsyncWrite + Unpin), header: &str) -> std::io::Result<()> {
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: localhost\r\n{header}\r\n").as_bytes()).await
}

#[tokio::test]
async fn silent_connections_of_one_address_keep_no_other_address_waiting() {
    for count in [64, 640] {
        let served = Served::start(ListenerLimits::new(1000)).await;
        let mut silent = Vec::new();
        for _ in 0..count {
            silent.push(served.connect(STRANGER).await);
        }
        assert!(served.is_served_in_time(CLIENT).await, "{count}");
    }
}

#[tokio::test]
async fn half_a_client_hello_holds_no_handshake_slot() {
    let served = Served::start(ListenerLimits::new(1000)).await;
    let mut halves = Vec::new();
    for _ in 0..100 {
        let mut stream = served.connect(STRANGER).await;
        // A TLS record of 512 bytes of which the first six are there.
        stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).await.unwrap();
        halves.push(stream);
    }
    assert!(served.is_served_in_time(CLIENT).await);
}

#[tokio::test]
async fn connections_that_are_silent_after_the_handshake_hold_no_handshake_slot() {
    let served = Served::start(ListenerLimits::new(1000)).await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(served.connect_tls(STRANGER).await.unwrap());
    }
    assert!(served.is_served_in_time(CLIENT).await);
}

#[tokio::test]
async fn a_client_that_stops_in_the_middle_of_the_handshake_holds_no_handshake_slot() {
    let served = Served::start(ListenerLimits::new(1000)).await;
    let mut stopped = Vec::new();
    for _ in 0..100 {
        let mut hello = Vec::new();
        let name = ServerName::try_from("localhost").unwrap();
        let config = Arc::clone(served.connector.config());
        let mut client = rustls::ClientConnection::new(config, name).unwrap();
        client.write_tls(&mut hello).unwrap();
        let mut stream = served.connect(STRANGER).await;
        stream.write_all(&hello).await.unwrap();
        stopped.push(stream);
    }
    assert!(served.is_served_in_time(CLIENT).await);
}

#[tokio::test]
async fn silent_connections_of_one_address_never_fill_the_listener() {
    let served = Served::start(ListenerLimits::new(16)).await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(served.connect(STRANGER).await);
    }
    served.until("all are accepted", |it| it.metric("test_connections_total") == 64).await;
    assert_eq!((served.turned_away("pending_share"), served.turned_away("full")), (60, 0));
    assert!(served.is_served_in_time(CLIENT).await);
    assert!(served.is_served_in_time(STRANGER).await, "who does send something is served from there too");
}

#[tokio::test]
async fn an_address_at_its_share_is_refused_until_one_of_its_connections_ends() {
    let limits = ListenerLimits::new(8).with_address_share(25);
    let served = Served::start(limits).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = served.connect_tls(STRANGER).await.unwrap();
        request(&mut stream, "").await.unwrap();
        stream.read_u8().await.unwrap();
        held.push(stream);
    }
    let refused = served.get(STRANGER).await.unwrap();
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("Retry-After: "), "{refused}");
    assert_eq!(served.turned_away("address_share"), 1);
    assert!(served.is_served_in_time(CLIENT).await);

    held.pop();
    served.until("the slot is free", |it| it.metric("test_connections ") == 1).await;
    assert!(served.is_served_in_time(STRANGER).await);
}

#[tokio::test]
async fn a_full_listener_answers_503_over_tls_and_counts_it() {
    let served = Served::start(ListenerLimits::new(1)).await;
    let held = served.connect(STRANGER).await;
    served.until("the first is accepted", |it| it.metric("test_connections ") == 1).await;
    let refused = served.get(CLIENT).await.unwrap();
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("Retry-After: "), "{refused}");
    assert_eq!(served.turned_away("full"), 1);
    drop(held);
    served.until("the slot is free", |it| it.metric("test_connections ") == 0).await;
    assert!(served.is_served_in_time(CLIENT).await);
}

#[tokio::test]
async fn a_client_without_a_client_hello_is_gone_after_its_timeout() {
    let client_hello_timeout = Duration::from_millis(100);
    let served = Served::start(ListenerLimits { client_hello_timeout, ..ListenerLimits::new(8) }).await;
    let mut silent = served.connect(STRANGER).await;
    let ended = tokio::time::timeout(TEST_TIMEOUT, silent.read(&mut [0])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    assert_eq!(served.turned_away("client_hello_timeout"), 1);
    served.until("the slot is free", |it| it.metric("test_connections ") == 0).await;
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_pause_longer_than_a_head_may_take() {
    let request_head_timeout = Duration::from_millis(300);
    let served = Served::start(ListenerLimits { request_head_timeout, ..ListenerLimits::new(8) }).await;
    let mut stream = served.connect_tls(CLIENT).await.unwrap();
    for _ in 0..2 {
        request(&mut stream, "").await.unwrap();
        let mut response = vec![0; 1024];
        let read = stream.read(&mut response).await.unwrap();
        assert!(response[..read].starts_with(b"HTTP/1.1 200 "));
        tokio::time::sleep(3 * request_head_timeout).await;
    }
}

#[tokio::test]
async fn many_handshakes_of_one_address_are_all_served() {
    let served = Arc::new(Served::start(ListenerLimits::new(1000)).await);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let served = Arc::clone(&served);
        clients.spawn(async move { served.get(STRANGER).await.unwrap() });
    }
    for response in clients.join_all().await {
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    }
}

#[tokio::test]
async fn a_closing_listener_ends_idle_connections_and_takes_no_new_one() {
    let served = Served::start(ListenerLimits::new(8)).await;
    let mut idle = served.connect_tls(CLIENT).await.unwrap();
    request(&mut idle, "").await.unwrap();
    idle.read_u8().await.unwrap();
    served.closing.begin();
    let mut rest = Vec::new();
    tokio::time::timeout(TEST_TIMEOUT, idle.read_to_end(&mut rest)).await.unwrap().unwrap();
    served.until("the slot is free", |it| it.metric("test_connections ") == 0).await;
    assert!(TcpStream::connect(served.address).await.is_err());
}
