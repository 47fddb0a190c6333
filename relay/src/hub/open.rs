//! Starting: what the mailbox holds goes into the core, then the tasks run.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use protocol::limits::DEDUP_TTL;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::metrics::HubMetrics;
use super::state::{Outlets, State};
use super::{Hub, HubSettings, tasks, unix_now};
use crate::core::{Core, Effect};
use crate::directory::Directory;
use crate::mailbox::{Checkpointer, Mailbox, MailboxError, OnReport, Reader, Running, Writer};

#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error("failed to restore the mailboxes")]
    Restore(#[source] MailboxError),
    #[error("failed to start the mailbox")]
    Start(#[source] sqlx::Error),
}

impl Hub {
    /// Restores every mailbox and starts the hub's tasks. They end with [`Hub::drain`].
    ///
    /// # Errors
    /// The mailbox cannot be read.
    pub async fn open(
        mut mailbox: Mailbox,
        directory: Arc<Directory>,
        settings: HubSettings,
        metrics: Arc<HubMetrics>,
    ) -> Result<Arc<Self>, HubError> {
        let (core, effects) =
            restore(&mut mailbox, &directory, &settings).await.map_err(HubError::Restore)?;
        let Running { queue, loads, writer, reader, checkpointer } =
            mailbox.start().await.map_err(HubError::Start)?;
        let outlets = Outlets { queue: Arc::clone(&queue), loads, metrics: Arc::clone(&metrics) };
        let mut state = State::new(core, outlets);
        effects.into_iter().for_each(|effect| state.carry_out(effect));
        let hub = Arc::new(Self {
            state: Mutex::new(state),
            watch: Mutex::default(),
            directory,
            metrics,
            queue,
            settings,
            begun: Instant::now(),
            next_conn: AtomicU64::new(1),
            draining: AtomicBool::new(false),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            changed: Notify::new(),
        });
        hub.spawn_tasks(writer, reader, checkpointer);
        Ok(hub)
    }

    fn spawn_tasks(self: &Arc<Self>, writer: Writer, reader: Reader, checkpointer: Checkpointer) {
        let weak = Arc::downgrade(self);
        let on_report: OnReport = Arc::new(move |report| {
            if let Some(hub) = weak.upgrade() {
                hub.report(report);
            }
        });
        // Ends when the queue is closed and empty.
        self.tasks.spawn(writer.run(Arc::clone(&on_report)));
        // Ends when the hub is dropped, and with it the only sender.
        tokio::spawn(reader.run(on_report));
        self.tasks.spawn(checkpointer.run(self.stop.clone()));
        self.tasks.spawn(tasks::tick_core(Arc::downgrade(self)));
        self.tasks.spawn(tasks::watch_connections(Arc::downgrade(self)));
    }
}

async fn restore(
    mailbox: &mut Mailbox,
    directory: &Directory,
    settings: &HubSettings,
) -> Result<(Core, Vec<Effect>), MailboxError> {
    let start = mailbox.count_start().await?;
    let mut core = Core::new(settings.limits.clone(), mailbox.next_row().await?, start);
    let mut effects = Vec::new();
    let remembered_since = unix_now().saturating_sub(DEDUP_TTL.as_secs());
    mailbox.restore(remembered_since, |row| core.restore(row, directory, &mut effects)).await?;
    let census = core.census();
    tracing::info!(rows = census.rows, bytes = census.row_bytes, "restored the mailboxes");
    Ok((core, effects))
}
