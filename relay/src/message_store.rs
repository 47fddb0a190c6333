//! Messages on disk: one writer that commits in groups, one reader that fetches pages, one checkpointer.
//!
//! A row is reported stored only after `COMMIT` with `synchronous = full` returned. Reports come in the order of writes.
//! Which rows a mailbox holds is the core's knowledge; here are only rows by number.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::envelope::MessageId;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};
use tokio::sync::mpsc;

use crate::core::{AgentKey, RowId, Write};

mod checkpoint;
mod queue;
mod reader;
mod restore;
mod statements;
mod writer;

pub(crate) use checkpoint::Checkpointer;
pub(crate) use queue::Queue;
pub(crate) use reader::{LoadRequest, Reader};
pub(crate) use writer::Writer;

/// How long a statement waits for the directory's commit, which takes milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum MailboxError {
    #[error("failed to open the mailbox in {}", path.display())]
    Open { path: PathBuf, source: sqlx::Error },
    #[error("failed to read the mailbox at start")]
    Restore(#[source] sqlx::Error),
    #[error("row {row} of the mailbox is damaged")]
    Damaged { row: RowId },
}

/// What became of writes and reads.
#[derive(Debug)]
pub(crate) enum Report {
    Stored { upto: RowId, rows: usize, took: Duration },
    StoreFailed { upto: RowId },
    Recovered,
    Loaded { agent: AgentKey, epoch: u64, page: Vec<(RowId, Bytes)> },
    LoadFailed { agent: AgentKey, epoch: u64 },
}

/// Called for every report, in order, from the mailbox's own tasks.
pub(crate) type OnReport = Arc<dyn Fn(Report) + Send + Sync>;

/// The open file, before anything runs on it.
#[derive(Debug)]
pub struct Mailbox {
    options: SqliteConnectOptions,
    writing: SqliteConnection,
    reading: SqliteConnection,
}

/// The tasks of a running mailbox and the ways in.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) queue: Arc<Queue>,
    /// Bounded by its users: one request per session.
    pub(crate) loads: mpsc::UnboundedSender<LoadRequest>,
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
    pub(crate) checkpointer: Checkpointer,
}

impl Mailbox {
    /// Opens a file that [`crate::store::Store::open`] has brought to the current schema.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub async fn open(path: &Path) -> Result<Self, MailboxError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            // Checkpoints run on their own connection: inside a commit one takes 30 to 60 ms.
            .pragma("wal_autocheckpoint", "0");
        let failed = |source| MailboxError::Open { path: path.to_owned(), source };
        let writing = options.connect().await.map_err(failed)?;
        let reading = options.connect().await.map_err(failed)?;
        Ok(Self { options, writing, reading })
    }

    pub(crate) async fn start(self) -> Result<Running, sqlx::Error> {
        let queue = Arc::new(Queue::default());
        let (loads, requests) = mpsc::unbounded_channel();
        let checkpointer = Checkpointer::new(self.options.connect().await?);
        Ok(Running {
            writer: Writer::new(self.options, self.writing, Arc::clone(&queue)),
            reader: Reader::new(self.reading, requests),
            queue,
            loads,
            checkpointer,
        })
    }
}

/// A message id out of the 16 bytes in the store.
fn message_id(bytes: &[u8]) -> Option<MessageId> {
    uuid::Uuid::from_slice(bytes).ok()?.to_string().parse().ok()
}

/// Row numbers as a JSON array, the one parameter of statements over many rows.
fn json_array(rows: impl Iterator<Item = RowId>) -> String {
    let mut text = String::from("[");
    for (index, row) in rows.enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{comma}{row}"));
    }
    text.push(']');
    text
}

const fn bytes_of(write: &Write) -> usize {
    match write {
        Write::Insert(row) => row.size(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
