//! Opens the hub: restores the mailboxes into the core and starts the hub's tasks.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use protocol::limits::DEDUP_TTL;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection_shares::ConnectionShares;
use super::fair_turns::FairTurns;
use super::metrics::HubMetrics;
use super::registration_shares::RegistrationShares;
use super::state::{EffectSinks, HubState};
use super::timeouts::ConnectionTimeouts;
use super::{Hub, HubSettings, clocks};
use crate::clock::unix_now;
use crate::core::{Core, Now};
use crate::directory::Directory;
use crate::message_store::{
    Checkpointer, MessageReader, MessageStore, MessageStoreError, MessageWriter, ReportHandler, StartedStore,
};
use crate::vital_tasks::VitalTasks;

#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error("failed to restore the mailboxes")]
    Restore(#[source] MessageStoreError),
    #[error("failed to start the mailbox")]
    Start(#[source] sqlx::Error),
}

impl Hub {
    /// Restores every mailbox and starts the hub's tasks. They are vital: the process ends if one
    /// of them ends before shutdown, and [`Hub::drain`] ends them in order.
    ///
    /// # Errors
    /// The message store cannot be read.
    pub async fn open(
        mut store: MessageStore,
        directory: Arc<Directory>,
        settings: HubSettings,
        metrics: Arc<HubMetrics>,
        tasks: &VitalTasks,
    ) -> Result<Arc<Self>, HubError> {
        let started_at = Instant::now();
        let core = restore(&mut store, &directory, &settings).await.map_err(HubError::Restore)?;
        let started = store.start(settings.page_loads_max).await.map_err(HubError::Start)?;
        let StartedStore { queue, loads, log, reserve, writer, reader, checkpointer } = started;
        let sinks = EffectSinks { queue: Arc::clone(&queue), loads, metrics: Arc::clone(&metrics) };
        let state = HubState::new(core, &settings.limits.of_session(), sinks);
        let hub = Arc::new(Self {
            state: Mutex::new(state),
            timeouts: Mutex::new(ConnectionTimeouts::new(settings.limits.held_bytes_max)),
            connection_shares: Arc::new(Mutex::new(ConnectionShares::new(settings.connections))),
            registration_shares: Mutex::new(RegistrationShares::new(settings.connections.of_tenant())),
            turns: FairTurns::new(tokio::runtime::Handle::current().metrics().num_workers()),
            directory,
            metrics,
            queue,
            log,
            reserve,
            settings,
            started: started_at,
            next_conn: AtomicU64::new(1),
            draining: AtomicBool::new(false),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            changed: Notify::new(),
        });
        hub.spawn_tasks(tasks, writer, reader, checkpointer);
        Ok(hub)
    }

    fn spawn_tasks(
        self: &Arc<Self>,
        tasks: &VitalTasks,
        writer: MessageWriter,
        reader: MessageReader,
        checkpointer: Checkpointer,
    ) {
        let weak = Arc::downgrade(self);
        let on_report: ReportHandler = Arc::new(move |report| {
            if let Some(hub) = weak.upgrade() {
                hub.on_store_report(report);
            }
        });
        // The writer ends when the queue is closed and empty, the others with `stop`.
        self.spawn_vital(tasks, "mailbox-writer", writer.run(Arc::clone(&on_report)));
        self.spawn_vital(tasks, "mailbox-reader", reader.run(on_report, self.stop.clone()));
        self.spawn_vital(tasks, "mailbox-checkpoint", checkpointer.run(self.stop.clone()));
        self.spawn_vital(tasks, "core-clock", clocks::tick_core(Arc::downgrade(self)));
        self.spawn_vital(tasks, "connection-clock", clocks::check_timeouts(Arc::downgrade(self)));
    }

    /// Spawns a task that [`Hub::drain`] waits for and whose earlier end is a failure.
    fn spawn_vital(
        &self,
        tasks: &VitalTasks,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        tasks.spawn(name, self.tasks.track_future(work));
    }
}

async fn restore(
    store: &mut MessageStore,
    directory: &Directory,
    settings: &HubSettings,
) -> Result<Core, MessageStoreError> {
    let start = store.count_start().await?;
    let now = Now { mono_ms: 0, unix: unix_now() };
    let mut core = Core::new(settings.limits.clone(), store.next_row().await?, start, now);
    let remembered_since = now.unix.saturating_sub(DEDUP_TTL.as_secs());
    store.restore(remembered_since, |row| core.restore(&row, directory)).await?;
    let stats = core.stats();
    tracing::info!(rows = stats.rows, bytes = stats.row_bytes, "restored the mailboxes");
    Ok(core)
}
