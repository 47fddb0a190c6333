//! Hands out the slots of connections and takes them back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::address_share::{AddressTable, AtLimit, ClientNetwork, ConnectionId};
use super::limits::ListenerLimits;
use super::metrics::{ListenerMetrics, RejectReason};

/// All slots of one listener.
#[derive(Debug)]
pub(super) struct Slots {
    table: Mutex<AddressTable<CancellationToken>>,
    metrics: ListenerMetrics,
}

/// The peer of a connection and the slot it holds, as an extension of each request. The slot is
/// free when the last clone is dropped: keep one for as long as an upgraded connection lives.
#[derive(Debug, Clone)]
pub struct ConnectionSlot {
    peer: SocketAddr,
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    id: ConnectionId,
    slots: Arc<Slots>,
    displaced: CancellationToken,
}

impl Slots {
    pub(super) fn new(limits: ListenerLimits, metrics: ListenerMetrics) -> Arc<Self> {
        Arc::new(Self { table: Mutex::new(AddressTable::new(limits)), metrics })
    }

    /// Takes a slot for a connection that was just accepted, if necessary that of a pending one.
    pub(super) fn take(self: &Arc<Self>, peer: SocketAddr) -> Result<ConnectionSlot, AtLimit> {
        let displaced = CancellationToken::new();
        let admitted = self.table().admit(ClientNetwork::from(peer.ip()), displaced.clone())?;
        self.metrics.accepted();
        if let Some(other) = admitted.displaced {
            self.metrics.turned_away(RejectReason::PendingShare);
            other.cancel();
        }
        let held = Held { id: admitted.id, slots: Arc::clone(self), displaced };
        Ok(ConnectionSlot { peer, held: Arc::new(held) })
    }

    fn table(&self) -> MutexGuard<'_, AddressTable<CancellationToken>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionSlot {
    #[must_use]
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(super) fn network(&self) -> ClientNetwork {
        ClientNetwork::from(self.peer.ip())
    }

    /// The connection is no longer pending. Returns `false` if another connection has got its slot.
    pub(super) fn begin_request(&self) -> bool {
        self.held.slots.table().begin_request(self.held.id)
    }

    /// Returns when the connection has to go in favour of another one. Never after its first
    /// request.
    pub(super) async fn displaced(&self) {
        self.held.displaced.cancelled().await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // A displaced connection's slot is free already.
        drop(self.slots.table().close(self.id));
        self.slots.metrics.connections.dec();
    }
}
