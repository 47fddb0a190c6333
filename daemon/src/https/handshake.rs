//! TLS handshakes: many clients may be waited for, few handshakes are computed at a time.
//!
//! A client that sends nothing holds no handshake slot, and one that sends everything at once holds
//! a slot for the milliseconds of the computation. Slots are shared fairly among client addresses.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::address_share::ClientNetwork;
use super::limits::{HANDSHAKES_MAX, HANDSHAKES_PER_ADDRESS_MAX, ListenerLimits};

/// The TLS side of a listener.
#[derive(Debug)]
pub(super) struct Handshakes {
    config: Arc<ServerConfig>,
    slots: Semaphore,
    /// Has an entry for each network that waits for a slot or holds one, and no other.
    by_network: Mutex<HashMap<ClientNetwork, NetworkSlots>>,
}

/// The handshake slots of one client network.
#[derive(Debug)]
struct NetworkSlots {
    slots: Arc<Semaphore>,
    /// Connections that wait for a slot or hold one.
    users: usize,
}

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("the client sent no ClientHello in time")]
    ClientHelloTimeout,
    #[error("the TLS handshake took too long")]
    Timeout,
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
}

impl Handshakes {
    pub(super) fn new(config: Arc<ServerConfig>) -> Self {
        Self { config, slots: Semaphore::new(HANDSHAKES_MAX), by_network: Mutex::default() }
    }

    /// Makes a TLS connection of a TCP connection that was just accepted.
    pub(super) async fn accept<S>(
        &self,
        socket: S,
        network: ClientNetwork,
        limits: &ListenerLimits,
    ) -> Result<TlsStream<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let accepted = Instant::now();
        let hello = LazyConfigAcceptor::new(Acceptor::default(), socket);
        let hello = timeout_at(accepted + limits.client_hello_timeout, hello).await;
        let hello =
            hello.map_err(|_| HandshakeError::ClientHelloTimeout)?.map_err(HandshakeError::Handshake)?;
        let handshake = async {
            let answer = self.compute(network, || hello.into_stream(Arc::clone(&self.config))).await?;
            answer.await
        };
        let handshake = timeout_at(accepted + limits.handshake_timeout, handshake).await;
        handshake.map_err(|_| HandshakeError::Timeout)?.map_err(HandshakeError::Handshake)
    }

    /// Runs `work`, the key exchange and the signature with our certificate's key, when a slot is
    /// free.
    async fn compute<T>(&self, network: ClientNetwork, work: impl FnOnce() -> T) -> io::Result<T> {
        let share = NetworkShare { slots: self.join(network), network, all: self };
        let _of_network = share.slots.acquire().await.map_err(io::Error::other)?;
        let _of_all = self.slots.acquire().await.map_err(io::Error::other)?;
        Ok(work())
    }

    fn join(&self, network: ClientNetwork) -> Arc<Semaphore> {
        let mut by_network = self.by_network();
        let entry = by_network.entry(network).or_insert_with(|| NetworkSlots {
            slots: Arc::new(Semaphore::new(HANDSHAKES_PER_ADDRESS_MAX)),
            users: 0,
        });
        entry.users += 1;
        Arc::clone(&entry.slots)
    }

    fn leave(&self, network: ClientNetwork) {
        let mut by_network = self.by_network();
        let Some(entry) = by_network.get_mut(&network) else { return };
        entry.users -= 1;
        if entry.users == 0 {
            by_network.remove(&network);
        }
    }

    fn by_network(&self) -> MutexGuard<'_, HashMap<ClientNetwork, NetworkSlots>> {
        self.by_network.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's use of its network's handshake slots.
struct NetworkShare<'a> {
    slots: Arc<Semaphore>,
    network: ClientNetwork,
    all: &'a Handshakes,
}

impl Drop for NetworkShare<'_> {
    fn drop(&mut self) {
        self.all.leave(self.network);
    }
}
