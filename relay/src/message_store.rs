//! The message store: mailbox rows and message bodies in SQLite. One writer commits in groups, one
//! reader fetches pages, one task checkpoints the write-ahead log.
//!
//! A row is reported stored only after `COMMIT` with `synchronous = full` has returned. Reports
//! come in the order of the writes. The core knows which rows a mailbox holds; the store knows rows
//! by their numbers only.

mod checkpoint;
mod reader;
mod report;
mod restore;
mod sql;
mod statements;
mod write_queue;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};
use tokio::sync::mpsc;

use crate::core::RowId;

pub(crate) use checkpoint::Checkpointer;
pub(crate) use reader::{LoadRequest, MessageReader};
pub(crate) use report::{ReportHandler, StoreReport};
pub(crate) use write_queue::WriteQueue;
pub(crate) use writer::MessageWriter;

/// How long a statement waits for a commit of the directory, which takes milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum MessageStoreError {
    #[error("failed to open the mailbox in {}", path.display())]
    Open { path: PathBuf, source: sqlx::Error },
    #[error("failed to read the mailbox at startup")]
    Restore(#[source] sqlx::Error),
    #[error("row {row} of the mailbox is damaged")]
    Damaged { row: RowId },
}

/// The open file, before its tasks run.
#[derive(Debug)]
pub struct MessageStore {
    options: SqliteConnectOptions,
    writing: SqliteConnection,
    reading: SqliteConnection,
}

/// The tasks of the store, ready to be spawned, and the queues that feed them.
#[derive(Debug)]
pub(crate) struct StartedStore {
    pub(crate) queue: Arc<WriteQueue>,
    pub(crate) loads: mpsc::Sender<LoadRequest>,
    pub(crate) writer: MessageWriter,
    pub(crate) reader: MessageReader,
    pub(crate) checkpointer: Checkpointer,
}

impl MessageStore {
    /// Opens a file that [`crate::store::Store::open`] has migrated to the current schema.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub async fn open(path: &Path) -> Result<Self, MessageStoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            // The checkpointer has its own connection: inside a commit one takes 30 to 60 ms.
            .pragma("wal_autocheckpoint", "0");
        let failed = |source| MessageStoreError::Open { path: path.to_owned(), source };
        let writing = options.connect().await.map_err(failed)?;
        let reading = options.connect().await.map_err(failed)?;
        Ok(Self { options, writing, reading })
    }

    /// `loads_max` page loads wait for the reader at most.
    pub(crate) async fn start(self, loads_max: usize) -> Result<StartedStore, sqlx::Error> {
        let queue = Arc::new(WriteQueue::default());
        let (loads, requests) = mpsc::channel(loads_max);
        let checkpointer = Checkpointer::new(self.options.connect().await?);
        Ok(StartedStore {
            writer: MessageWriter::new(self.options, self.writing, Arc::clone(&queue)),
            reader: MessageReader::new(self.reading, requests),
            queue,
            loads,
            checkpointer,
        })
    }
}
