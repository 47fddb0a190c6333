//! Adds connections to the hub's table, closes them, and removes them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::close::CloseCode;

use super::connection::Connection;
use super::{ByteStream, Hub};
use crate::core::{ConnId, Event};
use crate::directory::{AuthError, Principal};

impl Hub {
    /// Adds a connection to the table. `session::serve` runs it.
    pub(crate) fn add_connection(
        &self,
        stream: Box<dyn ByteStream>,
        principal: Principal,
        peer: SocketAddr,
    ) -> Arc<Connection> {
        let id = ConnId(self.next_conn.fetch_add(1, Ordering::Relaxed));
        let connection = Arc::new(Connection::new(id, stream, principal, peer, self.now_ms()));
        self.timeouts().add(&connection, self.now_ms());
        self.state().connections.insert(id, Arc::clone(&connection));
        self.metrics.connections.inc();
        self.recheck_access(&connection);
        connection
    }

    /// Closes a connection that lost its right between authentication and the moment when
    /// [`Hub::enforce`] finds it in the table.
    fn recheck_access(&self, connection: &Connection) {
        if self.draining.load(Ordering::SeqCst) {
            return self.close_connection(connection, CloseCode::Restart);
        }
        if let Err(error) = self.directory.recheck(&connection.principal) {
            self.close_connection(connection, close_code(error));
        }
    }

    /// Ends the session of the connection, if it still has one, and removes the connection.
    pub(crate) fn remove_connection(&self, connection: &Connection) {
        self.with_state(|state| {
            state.step(Event::Closed { conn: connection.id }, self.now(), &*self.directory);
            if state.connections.remove(&connection.id).is_some() {
                self.metrics.connections.dec();
            }
        });
        self.timeouts().remove(connection.id);
        self.changed.notify_waiters();
    }

    /// Ends the session and sends a close frame. The connection's own task closes the socket.
    pub(crate) fn close_connection(&self, connection: &Connection, code: CloseCode) {
        self.with_state(|state| {
            state.step(Event::Closed { conn: connection.id }, self.now(), &*self.directory);
            state.close(connection.id, code);
        });
    }

    /// Ends the connection of a peer that does not read. The close frame comes right after the
    /// frame that the socket has begun to take, and reaches a peer that reads again while the
    /// socket closes.
    pub(super) fn close_stalled(&self, connection: &Connection) {
        if connection.is_closing() {
            // Its close frame does not get out.
            return connection.abort();
        }
        connection.discard_unsent();
        self.close_connection(connection, CloseCode::TryAgain);
    }
}

/// The code that tells a client why it has no access.
pub(super) const fn close_code(error: AuthError) -> CloseCode {
    match error {
        AuthError::Suspended => CloseCode::Suspended,
        AuthError::Unknown | AuthError::Expired => CloseCode::CredentialRevoked,
    }
}
