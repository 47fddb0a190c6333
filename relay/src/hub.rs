//! The hub: runs the message core over connections, the message store and the clock.
//!
//! One lock guards the core and the table of connections. A batch of frames is parsed before the
//! lock is taken and written to sockets after it is released; under the lock there are only
//! decisions and copies into write buffers, so the order of deliveries is the order of bytes on
//! every connection. Answers that need a serializer are written after it. Nothing waits while the
//! lock is held.

mod clocks;
mod command;
mod command_batch;
mod connection;
mod connection_share;
mod connection_shares;
mod connections;
mod core_alarms;
mod dirty_connections;
mod drain;
mod enforce;
mod execute;
mod fair_turns;
mod fixed_frames;
mod message_counts;
mod metrics;
mod open;
mod registration_shares;
mod reply;
mod socket;
pub(crate) mod spare_buffers;
mod state;
mod timeouts;
mod write_buffer;

#[cfg(test)]
mod registration_races;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use protocol::Did;
use protocol::did::TenantId;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::unix_now;
use crate::core::{AgentRegistry, CoreLimits, Now};
use crate::directory::Directory;
use crate::message_store::{StoreCondition, WriteAheadLog, WriteQueue};
use crate::poison::exit_if_poisoned;
use crate::store::DiskReserve;

pub(crate) use command::{Command, PreparedAgent, PreparedPage, RequestRefusal};
pub(crate) use command_batch::CommandBatch;
pub(crate) use connection::Connection;
pub(crate) use connection_share::ConnectionShare;
pub use connection_shares::ConnectionLimits;
pub(crate) use fair_turns::ConnectionTurns;
pub use metrics::HubMetrics;
pub use open::HubError;

pub use socket::ByteStream;

use connection_share::SharedConnectionShares;
use fair_turns::FairTurns;
use registration_shares::RegistrationShares;
use state::HubState;
use timeouts::ConnectionTimeouts;

/// The settings of a hub.
#[derive(Debug, Clone, PartialEq)]
pub struct HubSettings {
    pub limits: CoreLimits,
    pub connections: ConnectionLimits,
    /// Page loads that wait for the reader: one for each session is enough, so this is the number
    /// of connections. A load above it fails and is retried with the next tick.
    pub page_loads_max: usize,
    /// At a restart, clients are asked to reconnect at different times within this interval.
    pub reconnect_spread: Duration,
}

#[derive(Debug)]
pub struct Hub {
    state: Mutex<HubState>,
    timeouts: Mutex<ConnectionTimeouts>,
    connection_shares: SharedConnectionShares,
    registration_shares: Mutex<RegistrationShares>,
    turns: FairTurns,
    directory: Arc<Directory>,
    metrics: Arc<HubMetrics>,
    queue: Arc<WriteQueue>,
    log: WriteAheadLog,
    reserve: Arc<DiskReserve>,
    settings: HubSettings,
    /// The zero of the hub's monotonic clock.
    started: Instant,
    next_conn: AtomicU64,
    draining: AtomicBool,
    /// The writer, the reader, the checkpointer and the two clocks.
    tasks: TaskTracker,
    /// Ends the reader, the clocks and the checkpointer.
    stop: CancellationToken,
    /// Notified after every report of the message store and every removed connection.
    changed: Notify,
}

impl Hub {
    /// Milliseconds since the hub was opened.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Whether the agent has a session.
    #[must_use]
    pub fn is_online(&self, did: &Did) -> bool {
        self.state().core.is_online(did.as_str())
    }

    /// The number of messages and notices in the agent's mailbox.
    #[must_use]
    pub fn mailbox_rows(&self, did: &Did) -> u64 {
        self.state().core.mailbox_rows(did.as_str())
    }

    /// # Errors
    /// A sentence for `/readyz` that says why the relay should get no traffic.
    pub fn readiness(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("the relay is draining".into());
        }
        match self.queue.condition() {
            // Recipients have to come, because draining mailboxes makes room.
            StoreCondition::Working | StoreCondition::Full => {}
            StoreCondition::Failing => return Err("the mailbox cannot be written".into()),
            StoreCondition::Stalled => return Err("a write to the mailbox does not end".into()),
        }
        Ok(())
    }

    fn now(&self) -> Now {
        Now { mono_ms: self.now_ms(), unix: unix_now() }
    }

    fn state(&self) -> MutexGuard<'_, HubState> {
        exit_if_poisoned(self.state.lock(), "the message core")
    }

    fn timeouts(&self) -> MutexGuard<'_, ConnectionTimeouts> {
        exit_if_poisoned(self.timeouts.lock(), "the table of connection timeouts")
    }
}

impl AgentRegistry for Directory {
    fn tenant_of(&self, did: &str) -> Option<TenantId> {
        self.agent(&did.parse().ok()?).map(|agent| agent.tenant.clone())
    }

    fn accepts_messages(&self, did: &str) -> bool {
        did.parse().is_ok_and(|did| self.live_agent(&did).is_some())
    }
}
