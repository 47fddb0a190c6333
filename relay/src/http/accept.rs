//! The accept loop of the public listener. Every stage a stranger can reach has a limit in number and in time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::IntGauge;
use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use super::Stream;
use super::metrics::{HttpMetrics, TurnedAway};

/// TLS handshakes at once: each is some 2 ms of CPU, and more in parallel only make all of them late.
const HANDSHAKES_MAX: usize = 64;
/// Time for a handshake, waiting for one of the places above included.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the head of a request; also ends idle connections.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request's head; ours have under 1 KiB.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Pause after a failed accept, so that a lack of file descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time to tell one connection too many that it is one.
const TURN_AWAY_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the peer's TCP may leave our bytes without an acknowledgement (RFC 5482): a lossy network recovers in less, and a
/// vanished peer is gone before the idle timeout.
const UNACKED_TIMEOUT: Duration = Duration::from_secs(20);
/// What it is told where there is no TLS; a TLS client just sees the close.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// The public socket with everything it needs to serve.
pub struct Listener {
    pub socket: TcpListener,
    pub tls: Option<TlsAcceptor>,
    pub router: Router,
    pub metrics: HttpMetrics,
    /// Connections at once.
    pub connections_max: usize,
    pub sessions: TaskTracker,
}

/// What a request knows of its connection. The slot is free when the last clone is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    _slot: Arc<Slot>,
}

#[derive(Debug)]
struct Slot {
    open: IntGauge,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// What the tasks of connections share.
struct Shared {
    tls: Option<TlsAcceptor>,
    router: Router,
    metrics: HttpMetrics,
    handshakes: Semaphore,
}

impl Listener {
    /// Accepts until `closing`. Connections that are open then go on in `sessions`.
    pub async fn run(self, closing: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.connections_max));
        let shared = Arc::new(Shared {
            tls: self.tls,
            router: self.router,
            metrics: self.metrics,
            handshakes: Semaphore::new(HANDSHAKES_MAX),
        });
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = closing.cancelled() => return,
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    pause(&shared.metrics, &error).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&slots).try_acquire_owned() else {
                turn_away(&shared, &self.sessions, socket);
                continue;
            };
            shared.metrics.accepted();
            shared.metrics.connections.inc();
            let slot = Slot { open: shared.metrics.connections.clone(), _permit: permit };
            let connection = Connection { peer, _slot: Arc::new(slot) };
            self.sessions.spawn(serve(Arc::clone(&shared), socket, connection, closing.clone()));
        }
    }
}

async fn pause(metrics: &HttpMetrics, error: &io::Error) {
    metrics.turned_away(TurnedAway::Accept);
    tracing::warn!(%error, "failed to accept a connection");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

fn turn_away(shared: &Shared, sessions: &TaskTracker, mut socket: TcpStream) {
    shared.metrics.turned_away(TurnedAway::Full);
    if shared.tls.is_some() {
        return;
    }
    // Bounded by its timeout and by the rate of accepts; ends with the socket.
    sessions.spawn(async move {
        let answer = async {
            socket.write_all(FULL).await?;
            socket.shutdown().await
        };
        let _ = tokio::time::timeout(TURN_AWAY_TIMEOUT, answer).await;
    });
}

async fn serve(shared: Arc<Shared>, socket: TcpStream, connection: Connection, closing: CancellationToken) {
    if let Err(error) = tune(&socket) {
        tracing::debug!(%error, "failed to set the options of a socket");
    }
    let Some(stream) = shared.secure(socket, connection.peer).await else { return };
    let router = shared.router.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(connection.clone());
        router.clone().call(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = closing.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Frames leave at once, and a peer that vanished is noticed while there is something to send to it.
fn tune(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    SockRef::from(socket).set_tcp_user_timeout(Some(UNACKED_TIMEOUT))
}

impl Shared {
    /// The connection with TLS, where there is TLS.
    async fn secure(&self, socket: TcpStream, peer: SocketAddr) -> Option<Stream> {
        let Some(acceptor) = &self.tls else { return Some(Stream::Plain(socket)) };
        let handshake = async {
            let _place = self.handshakes.acquire().await.map_err(io::Error::other)?;
            acceptor.accept(socket).await
        };
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Ok(Ok(stream)) => return Some(Stream::Tls(Box::new(stream))),
            Ok(Err(error)) => {
                self.metrics.turned_away(TurnedAway::TlsHandshake);
                tracing::debug!(%error, %peer, "a TLS handshake failed");
            }
            Err(_) => self.metrics.turned_away(TurnedAway::TlsTimeout),
        }
        None
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("socket", &self.socket).finish_non_exhaustive()
    }
}
