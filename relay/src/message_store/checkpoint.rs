//! Checkpoints the write-ahead log into the database file, on a separate connection instead of
//! inside the writer's commits.

use std::time::Duration;

use sqlx::SqliteConnection;
use tokio_util::sync::CancellationToken;

/// Often enough to keep the log small: at full load about 64 MiB are written in this time.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Checkpointer {
    connection: SqliteConnection,
}

impl Checkpointer {
    pub(super) const fn new(connection: SqliteConnection) -> Self {
        Self { connection }
    }

    /// Runs until `stop`. A failed checkpoint is retried; only the size of the log depends on it.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(CHECKPOINT_INTERVAL)).await.is_some() {
            let result = sqlx::query("pragma wal_checkpoint(passive)").execute(&mut self.connection).await;
            if let Err(error) = result {
                tracing::warn!(%error, "a checkpoint of the mailbox failed");
            }
        }
    }
}
