//! Listens for other agents: each proves its root key and greets within a timeout, or is closed.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::direct::DirectRefusal;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::advertised_address;
use super::connection_limits::ConnectionTable;
use super::greeting::{self, GreetedLink};
use super::raw_key;
use super::shared::{LinkFailure, Shared};
use crate::config::Config;
use crate::error::{Error, ErrorKind};

/// How long TLS and the greeting of a connection may take together.
const DIRECT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Before connections are accepted again after the system had no resources for one.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// A socket that listens, before anybody is accepted.
pub(crate) struct BoundListener(TcpListener);

/// Listens as the settings say, and completes them with the address that the record lists.
///
/// # Errors
/// [`ErrorKind::Config`] if the address cannot be listened at.
pub(crate) async fn bind(config: &mut Config) -> Result<Option<BoundListener>, Error> {
    let Some(address) = config.direct.as_ref().and_then(|direct| direct.listen) else { return Ok(None) };
    let failed = |e: std::io::Error| {
        Error::new(ErrorKind::Config, format!("cannot listen at {address} for direct connections"))
            .caused_by(e)
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    advertise(config, local).await;
    Ok(Some(BoundListener(listener)))
}

async fn advertise(config: &mut Config, local: SocketAddr) {
    let is_set = config.direct.as_ref().is_some_and(|direct| !direct.endpoints.is_empty());
    if is_set {
        return;
    }
    let chosen = advertised_address::choose(config, local).await;
    if chosen.is_none() {
        tracing::warn!(
            address = %local,
            "no address is known at which others can reach this agent directly; its record lists none"
        );
    }
    if let Some(direct) = &mut config.direct {
        direct.endpoints = chosen.into_iter().collect();
    }
}

/// Accepts connections until the agent ends. `on_link` takes those whose agents are known.
pub(super) async fn run<F, L>(shared: Arc<Shared>, BoundListener(listener): BoundListener, on_link: F)
where
    F: Fn(GreetedLink) -> L + Clone + Send + Sync + 'static,
    L: Future<Output = ()> + Send + 'static,
{
    let table = Arc::new(Mutex::new(ConnectionTable::default()));
    // Each ends with its connection, and all of them with this task.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            () = shared.ended() => break,
        };
        let Ok((tcp, address)) = accepted else {
            tokio::time::sleep(ACCEPT_RETRY_INTERVAL).await;
            continue;
        };
        let Some(slot) = ConnectionSlot::take(&table, address.ip()) else {
            shared.count_refusal(DirectRefusal::TooManyConnections);
            continue;
        };
        connections.spawn(serve(Arc::clone(&shared), tcp, slot, on_link.clone()));
    }
    drop(listener);
    // Links say goodbye by themselves.
    while connections.join_next().await.is_some() {}
}

async fn serve<F, L>(shared: Arc<Shared>, tcp: TcpStream, mut slot: ConnectionSlot, on_link: F)
where
    F: Fn(GreetedLink) -> L,
    L: Future<Output = ()>,
{
    let greeted = tokio::select! {
        greeted = tokio::time::timeout(DIRECT_HANDSHAKE_TIMEOUT, handshake(&shared, tcp)) => greeted,
        () = shared.ended() => return,
    };
    match greeted.unwrap_or(Err(LinkFailure::Refused(DirectRefusal::TooSlow))) {
        Ok(greeted) => {
            slot.prove();
            on_link(greeted).await;
        }
        Err(LinkFailure::Refused(reason)) => {
            tracing::warn!(reason = reason.as_str(), "refused a direct connection");
            shared.count_refusal(reason);
        }
        Err(LinkFailure::Failed(error)) => {
            tracing::debug!(error = error.chain(), "a direct connection broke");
        }
    }
}

async fn handshake(shared: &Shared, tcp: TcpStream) -> Result<GreetedLink, LinkFailure> {
    let malformed = || LinkFailure::Refused(DirectRefusal::Malformed);
    let config = raw_key::server_config(&shared.state.identity()).map_err(|_| malformed())?;
    // Small frames must not wait for more (Nagle); a socket that cannot be set still works.
    let _ = tcp.set_nodelay(true);
    let stream = TlsAcceptor::from(Arc::new(config)).accept(tcp).await.map_err(|_| malformed())?;
    let key = raw_key::proven_key(stream.get_ref().1.peer_certificates()).ok_or_else(malformed)?;
    greeting::answer(shared, TlsStream::Server(stream), key).await
}

/// The place of a connection in the table, as long as it lives.
struct ConnectionSlot {
    table: Arc<Mutex<ConnectionTable>>,
    address: IpAddr,
    proven: bool,
}

impl ConnectionSlot {
    fn take(table: &Arc<Mutex<ConnectionTable>>, address: IpAddr) -> Option<Self> {
        let admitted = table.lock().unwrap_or_else(PoisonError::into_inner).admit(address);
        admitted.then(|| Self { table: Arc::clone(table), address, proven: false })
    }

    fn prove(&mut self) {
        self.proven = true;
        self.table.lock().unwrap_or_else(PoisonError::into_inner).on_proven();
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).on_closed(self.address, self.proven);
    }
}
