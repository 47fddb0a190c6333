//! Folds the write-ahead log into the file, beside the writer instead of inside its commits.

use std::time::Duration;

use sqlx::SqliteConnection;
use tokio_util::sync::CancellationToken;

/// Often enough that the log stays small: at full load about 64 MiB are written in this time.
const INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Checkpointer {
    connection: SqliteConnection,
}

impl Checkpointer {
    pub(super) const fn new(connection: SqliteConnection) -> Self {
        Self { connection }
    }

    /// Runs until told to stop. A checkpoint that fails is tried again; nothing depends on it but the size of the log.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
            let result = sqlx::query("pragma wal_checkpoint(passive)").execute(&mut self.connection).await;
            if let Err(error) = result {
                tracing::warn!(%error, "a checkpoint of the mailbox failed");
            }
        }
    }
}
