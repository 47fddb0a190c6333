//! The accept loop of the public listener. Every stage that a stranger can reach is limited in
//! number and in time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::address_share::{AtLimit, ClientNetwork};
use super::connection::{self, Ended};
use super::handshake::{HandshakeError, Handshakes};
use super::limits::{
    ACCEPT_RETRY_INTERVAL, ACCEPTED_PER_TURN_MAX, ListenerLimits, REFUSAL_TIMEOUT, REFUSALS_MAX,
    UNACKNOWLEDGED_TIMEOUT, UNSENT_BYTES_MAX,
};
use super::metrics::{ListenerMetrics, RejectReason};
use super::refusal;
use super::slots::{ConnectionSlot, Slots};
use super::stream::Stream;
use crate::error_chain;
use crate::shutdown::{self, Shutdown};

/// The public socket with everything that it needs to serve.
pub struct Listener {
    /// The bound socket.
    pub socket: TcpListener,
    /// Without a configuration the listener serves plaintext.
    pub tls: Option<Arc<ServerConfig>>,
    /// Gets a [`ConnectionSlot`] as extension of each request.
    pub router: Router,
    pub metrics: ListenerMetrics,
    pub limits: ListenerLimits,
    /// Owns the tasks of connections, so that the caller can wait for them.
    pub connections: TaskTracker,
}

/// What the tasks of connections share.
struct Shared {
    handshakes: Option<Handshakes>,
    router: Router,
    metrics: ListenerMetrics,
    limits: ListenerLimits,
    refusals: Arc<Semaphore>,
    closing: Shutdown,
}

impl Listener {
    /// Serves until `closing` begins, then waits at most `grace` for the responses under way.
    pub async fn serve(self, closing: Shutdown, grace: Duration) {
        let connections = self.connections.clone();
        self.run(closing).await;
        connections.close();
        shutdown::within(grace, "connections", connections.wait()).await;
    }

    /// Accepts until `closing` begins. Connections that are open then end after the response under
    /// way, in `connections`; upgraded connections are not affected.
    pub async fn run(self, closing: Shutdown) {
        let slots = Slots::new(self.limits, self.metrics.clone());
        let shared = Arc::new(Shared {
            handshakes: self.tls.map(Handshakes::new),
            router: self.router,
            metrics: self.metrics,
            limits: self.limits,
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
            closing: closing.clone(),
        });
        let mut accepted_in_turn = 0;
        loop {
            if accepted_in_turn == ACCEPTED_PER_TURN_MAX {
                accepted_in_turn = 0;
                tokio::task::yield_now().await;
            }
            accepted_in_turn += 1;
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = closing.begun() => return,
            };
            let (socket, peer) = match accepted {
                // An IPv4 client of a listener for both families is one of IPv4 in logs and limits.
                Ok((socket, peer)) => (socket, SocketAddr::new(peer.ip().to_canonical(), peer.port())),
                Err(error) => {
                    shared.pause(&error).await;
                    continue;
                }
            };
            match slots.take(peer) {
                Ok(slot) => drop(self.connections.spawn(Arc::clone(&shared).serve(socket, slot))),
                Err(limit) => shared.refuse(socket, peer, limit, &self.connections),
            }
        }
    }
}

impl Shared {
    async fn pause(&self, error: &io::Error) {
        self.metrics.turned_away(RejectReason::Accept);
        tracing::warn!(%error, "failed to accept a connection");
        tokio::time::sleep(ACCEPT_RETRY_INTERVAL).await;
    }

    fn refuse(self: &Arc<Self>, socket: TcpStream, peer: SocketAddr, limit: AtLimit, tasks: &TaskTracker) {
        self.metrics.turned_away(match limit {
            AtLimit::Connections => RejectReason::Full,
            AtLimit::Address => RejectReason::AddressShare,
        });
        let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() else { return };
        let shared = Arc::clone(self);
        tasks.spawn(async move {
            let _permit = permit;
            let answer = async {
                let stream = shared.secure(socket, peer.ip().into()).await.map_err(io::Error::other)?;
                refusal::answer(stream, &refusal::problem(limit, shared.limits)).await
            };
            if let Ok(Err(error)) = tokio::time::timeout(REFUSAL_TIMEOUT, answer).await {
                tracing::debug!(error = error_chain(&error), %peer, "failed to answer a refused connection");
            }
        });
    }

    async fn serve(self: Arc<Self>, socket: TcpStream, slot: ConnectionSlot) {
        if let Err(error) = set_options(&socket) {
            tracing::debug!(%error, "failed to set the options of a socket");
        }
        tokio::select! {
            () = slot.displaced() => {}
            () = self.exchange(socket, &slot) => {}
        }
    }

    async fn exchange(&self, socket: TcpStream, slot: &ConnectionSlot) {
        let peer = slot.peer();
        let stream = match self.secure(socket, slot.network()).await {
            Ok(stream) => stream,
            Err(error) => {
                self.metrics.turned_away(cause(&error));
                tracing::debug!(error = error_chain(&error), %peer, "a connection ended before TLS");
                return;
            }
        };
        let serving =
            connection::serve(stream, self.router.clone(), slot.clone(), &self.limits, &self.closing);
        match serving.await {
            Ended::Done(Ok(())) | Ended::Timeout => {}
            Ended::Done(Err(error)) => {
                tracing::debug!(error = error_chain(&error), %peer, "a connection ended early");
            }
            Ended::FirstRequestTimeout => self.metrics.turned_away(RejectReason::RequestHeadTimeout),
        }
    }

    /// The connection with TLS, where there is TLS.
    async fn secure(&self, socket: TcpStream, network: ClientNetwork) -> Result<Stream, HandshakeError> {
        let Some(handshakes) = &self.handshakes else { return Ok(Stream::Plain(socket)) };
        let stream = handshakes.accept(socket, network, &self.limits).await?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

const fn cause(error: &HandshakeError) -> RejectReason {
    match error {
        HandshakeError::ClientHelloTimeout => RejectReason::ClientHelloTimeout,
        HandshakeError::Timeout => RejectReason::TlsTimeout,
        HandshakeError::Handshake(_) => RejectReason::TlsHandshake,
    }
}

/// Small writes leave at once, a peer that vanished is noticed while there is something to send to
/// it, and a peer that reads slowly is told from one that has stopped.
fn set_options(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIMEOUT))?;
    socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("socket", &self.socket).finish_non_exhaustive()
    }
}
