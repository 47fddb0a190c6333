//! The connections that were written to under the lock, to be flushed after it is released.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;

use super::connection::Connection;

/// Connections that the kept vector of a thread has room for: more than one turn usually writes to.
const SPARE_CONNECTIONS_MAX: usize = 64;

thread_local! {
    /// The vector of the last flush, so that the next one needs no allocation.
    static SPARE_CONNECTIONS: Cell<Vec<Arc<Connection>>> = const { Cell::new(Vec::new()) };
}

#[derive(Debug, Default)]
pub(super) struct DirtyConnections(Vec<Arc<Connection>>);

impl DirtyConnections {
    /// Adds a connection once.
    pub(super) fn mark(&mut self, connection: &Arc<Connection>) {
        if connection.mark_dirty() {
            self.0.push(Arc::clone(connection));
        }
    }

    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self(SPARE_CONNECTIONS.take()))
    }
}

impl Deref for DirtyConnections {
    type Target = [Arc<Connection>];

    fn deref(&self) -> &[Arc<Connection>] {
        &self.0
    }
}

impl Drop for DirtyConnections {
    fn drop(&mut self) {
        let mut connections = std::mem::take(&mut self.0);
        connections.clear();
        if connections.capacity() <= SPARE_CONNECTIONS_MAX {
            SPARE_CONNECTIONS.set(connections);
        }
    }
}
