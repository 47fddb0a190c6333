//! Connections coming and going, and the relay's own end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::close::CloseCode;
use protocol::frame::{GoodbyeParams, method, write_notification};
use tokio::time::Instant;

use super::Hub;
use crate::core::Event;
use crate::directory::AuthError;
use crate::session::Connection;

/// Share of the drain's grace for writing what is in flight; the rest is for the connections to end.
const SPILL_SHARE: u32 = 2;

impl Hub {
    /// Puts the connection where [`Hub::apply`] finds it, then asks whether it may still be there.
    pub(super) fn enter(&self, connection: &Arc<Connection>) {
        self.watch().enter(connection, self.now_ms());
        self.state().connections.insert(connection.id, Arc::clone(connection));
        self.metrics.connections.inc();
        if self.draining.load(Ordering::SeqCst) {
            return self.close(connection, CloseCode::Restart);
        }
        match self.directory.recheck(&connection.principal) {
            Ok(()) => {}
            Err(AuthError::Suspended) => self.close(connection, CloseCode::Suspended),
            Err(AuthError::Unknown | AuthError::Expired) => {
                self.close(connection, CloseCode::CredentialRevoked);
            }
        }
    }

    /// Ends the connection's session, if it is still its own, and forgets the connection.
    pub(crate) fn leave(&self, connection: &Connection) {
        self.locked(|state| {
            state.step(Event::Closed { conn: connection.id }, self.now(), &*self.directory);
            if state.connections.remove(&connection.id).is_some() {
                self.metrics.connections.dec();
            }
        });
        self.watch().left(connection.id);
        self.changed.notify_waiters();
    }

    /// Ends the session and sends a close frame; the connection's task does the rest.
    pub(crate) fn close(&self, connection: &Connection, code: CloseCode) {
        self.locked(|state| {
            state.step(Event::Closed { conn: connection.id }, self.now(), &*self.directory);
            state.close(connection.id, code);
        });
    }

    /// Accepts nothing more, writes what is in flight, says goodbye to everybody, and waits until all are gone or `grace` is
    /// over. After it the mailbox is closed.
    pub async fn drain(&self, grace: Duration) {
        let end = Instant::now() + grace;
        self.draining.store(true, Ordering::SeqCst);
        self.say_goodbye();
        self.locked(|state| state.step(Event::Drain, self.now(), &*self.directory));
        self.wait_until(Instant::now() + grace / SPILL_SHARE, |hub| hub.state().core.census().writing == 0)
            .await;

        let connections: Vec<_> = self.state().connections.values().cloned().collect();
        for connection in connections {
            self.close(&connection, CloseCode::Restart);
        }
        self.wait_until(end, |hub| hub.state().connections.is_empty()).await;
        self.stop.cancel();
        self.queue.close();
        self.tasks.close();
        // The writer has a few seconds of its own when the disk does not work.
        if tokio::time::timeout(grace.max(Duration::from_secs(6)), self.tasks.wait()).await.is_err() {
            tracing::error!("the mailbox did not end in time");
        }
    }

    /// Tells each client when to come back, spread over time so that they do not all come at once.
    fn say_goodbye(&self) {
        self.locked(|state| {
            let mut ids: Vec<_> = state.connections.keys().copied().collect();
            ids.sort_unstable();
            let spread = u64::try_from(self.settings.reconnect_spread.as_millis()).unwrap_or(u64::MAX);
            let count = ids.len().max(1) as u64;
            for (index, id) in (0u64..).zip(ids) {
                let reconnect_after_ms = spread.saturating_mul(index) / count;
                let params = GoodbyeParams { reason: "restart".into(), reconnect_after_ms };
                state.write(id, |out| write_notification(out, method::GOODBYE, &params));
            }
        });
    }

    async fn wait_until(&self, end: Instant, done: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if done(self) || tokio::time::timeout_at(end, changed).await.is_err() {
                return;
            }
        }
    }
}
