//! Graceful shutdown of the hub: stores what is in flight, sends clients away, stops the tasks.

use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::close::CloseCode;
use protocol::frame::{GoodbyeParams, method, write_notification};
use tokio::time::Instant;

use super::Hub;
use crate::core::Event;

/// The part of the drain timeout in which messages in flight are written is one half. In the rest
/// the connections end.
const SPILL_SHARE: u32 = 2;
/// Time for the writer to commit what waits. It retries for a few seconds when the disk fails.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(6);

impl Hub {
    /// Accepts nothing more, writes what is in flight, sends a goodbye to every client, and waits
    /// until all connections have ended or `timeout` has passed. [`Hub::close`] follows.
    pub async fn drain(&self, timeout: Duration) {
        let end = Instant::now() + timeout;
        self.draining.store(true, Ordering::SeqCst);
        self.send_goodbyes();
        self.with_state(|state| state.step(Event::Drain, self.now(), &*self.directory));
        let spilled = Instant::now() + timeout / SPILL_SHARE;
        self.wait_until(spilled, |hub| hub.state().core.stats().writing == 0).await;

        let connections: Vec<_> = self.state().connections.values().cloned().collect();
        for connection in connections {
            self.close_connection(&connection, CloseCode::Restart);
        }
        self.wait_until(end, |hub| hub.state().connections.is_empty()).await;
    }

    /// Commits everything that waits and closes the message store.
    pub async fn close(&self) {
        self.stop.cancel();
        self.queue.close();
        self.tasks.close();
        if tokio::time::timeout(CLOSE_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::error!("the tasks of the mailbox did not end in time");
        }
        self.state().tell_all_metered();
    }

    /// Asks every client to reconnect at its own time, so that they do not all come at once.
    fn send_goodbyes(&self) {
        self.with_state(|state| {
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
