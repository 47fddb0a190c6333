//! Copies the write-ahead log into the database file beside the writer, so that little is left for
//! the writer to copy when it restarts the log.

use std::time::Duration;

use sqlx::{Connection as _, SqliteConnection};
use tokio_util::sync::CancellationToken;

use super::write_ahead_log::{Checkpoint, WriteAheadLog};

/// Often enough that the writer copies a small part of the log only.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Checkpointer {
    connection: SqliteConnection,
    log: WriteAheadLog,
}

impl Checkpointer {
    pub(super) const fn new(connection: SqliteConnection, log: WriteAheadLog) -> Self {
        Self { connection, log }
    }

    /// Runs until `stop`. A failed checkpoint is retried, by the writer at the latest.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(CHECKPOINT_INTERVAL)).await.is_some() {
            self.copy().await;
        }
        self.close().await;
    }

    pub(super) async fn copy(&mut self) {
        if let Err(error) = self.log.checkpoint(&mut self.connection, Checkpoint::Passive).await {
            tracing::warn!(%error, "a checkpoint of the mailbox failed");
        }
    }

    pub(super) async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "failed to close the mailbox after its last checkpoint");
        }
    }
}
