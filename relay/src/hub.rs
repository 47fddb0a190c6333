//! The core among sockets, the mailbox and the clock.
//!
//! One lock guards the core and the table of connections. A batch of frames is parsed before it is taken and written to
//! sockets after it was released; under it there are only decisions and copies into buffers, so that the order of effects is
//! the order of bytes on every connection. Nothing waits under it.

mod batch;
mod close;
mod enforce;
mod metrics;
mod open;
mod run;
mod state;
mod tasks;
mod watch;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use protocol::Did;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::{ConnId, KnownAgents, Limits, Now};
use crate::directory::{Directory, Principal};
use crate::mailbox::Queue;
use crate::session::{Connection, Stream};

pub(crate) use batch::{Batch, Item};
pub use metrics::HubMetrics;
pub use open::HubError;

use state::State;
use watch::Watch;

/// The settings of a hub.
#[derive(Debug, Clone, PartialEq)]
pub struct HubSettings {
    pub limits: Limits,
    /// Over which time clients are told to come back when the relay restarts.
    pub reconnect_spread: Duration,
}

impl Default for HubSettings {
    fn default() -> Self {
        Self { limits: Limits::default(), reconnect_spread: Duration::from_secs(10) }
    }
}

/// Everything that carries messages.
#[derive(Debug)]
pub struct Hub {
    state: Mutex<State>,
    watch: Mutex<Watch>,
    directory: Arc<Directory>,
    metrics: Arc<HubMetrics>,
    queue: Arc<Queue>,
    settings: HubSettings,
    /// The zero of the hub's clock.
    begun: Instant,
    next_conn: AtomicU64,
    draining: AtomicBool,
    /// The writer, the reader, the checkpointer and the two clocks.
    tasks: TaskTracker,
    /// Ends the clocks and the checkpointer.
    stop: CancellationToken,
    /// After every report of the mailbox and every connection that left.
    changed: Notify,
}

impl Hub {
    /// A new connection in the table; `session::serve` runs it.
    pub(crate) fn admit<S>(&self, stream: S, principal: Principal, peer: SocketAddr) -> Arc<Connection>
    where
        S: Stream + 'static,
    {
        let id = ConnId(self.next_conn.fetch_add(1, Ordering::Relaxed));
        let connection = Arc::new(Connection::new(id, Box::new(stream), principal, peer, self.now_ms()));
        self.enter(&connection);
        connection
    }

    /// Milliseconds since the hub was opened.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Whether the agent has a session.
    #[must_use]
    pub fn online(&self, did: &Did) -> bool {
        self.state().core.is_online(did.as_str())
    }

    /// Messages in the agent's mailbox.
    #[must_use]
    pub fn pending(&self, did: &Did) -> u64 {
        self.state().core.mailbox_rows(did.as_str())
    }

    /// # Errors
    /// Why the relay should not get traffic.
    pub fn readiness(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("the relay is draining".into());
        }
        if self.state().core.storage_failed() {
            return Err("the mailbox cannot be written".into());
        }
        Ok(())
    }

    fn now(&self) -> Now {
        Now { mono_ms: self.now_ms(), unix: unix_now() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KnownAgents for Directory {
    fn tenant_of(&self, did: &str) -> Option<protocol::did::TenantId> {
        self.agent(&did.parse().ok()?).map(|agent| agent.tenant.clone())
    }
}

/// A clock before 1970 counts as 1970.
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
