//! The message store: mailbox rows and message bodies in a SQLite file. One writer commits in
//! groups, one reader fetches pages, one task copies the write-ahead log.
//!
//! A row is reported stored only after `COMMIT` with `synchronous = full` has returned. Reports
//! come in the order of the writes. The core knows which rows a mailbox holds; the store knows rows
//! by their numbers only.

mod checkpoint;
mod commit_scheduler;
mod damage;
mod forgetting;
mod former_file;
mod reader;
mod report;
mod restore;
mod row_outcomes;
mod sql;
mod statements;
mod transaction;
mod unreadable_rows;
mod write_ahead_log;
mod write_queue;
mod writer;

#[cfg(test)]
mod damaged_page;
#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};
use tokio::sync::mpsc;

use crate::store::DiskReserve;

pub(crate) use checkpoint::Checkpointer;
#[cfg(test)]
pub(crate) use commit_scheduler::{Batch, CommitFailure, CommitScheduler, NextCommit};
pub(crate) use reader::{LoadRequest, MessageReader};
pub(crate) use report::{ReportHandler, StoreReport};
pub(crate) use write_ahead_log::WriteAheadLog;
pub(crate) use write_queue::{StoreCondition, WriteQueue};
pub(crate) use writer::MessageWriter;

use damage::SpareBodies;
use forgetting::Forgetting;
use statements::Statements;
use write_ahead_log::LogLimit;

/// How long a statement waits for another connection to the file: the writer for the end of a page
/// that is being read, when it restarts the log.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages are appended, and a larger page holds more of them per fsync.
const PAGE_BYTES: u32 = 16 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum MessageStoreError {
    #[error("failed to open the mailbox in {}", path.display())]
    Open { path: PathBuf, source: sqlx::Error },
    #[error("failed to read the mailbox at startup")]
    Restore(#[source] sqlx::Error),
    #[error("a row of the mailbox is damaged: {line}")]
    Damaged { line: String },
}

/// Where the mailboxes are, and how large their file and its memory may become.
#[derive(Debug, Clone)]
pub struct MessageStoreSettings {
    pub path: PathBuf,
    /// The file that held the mailboxes in earlier versions.
    pub former_path: PathBuf,
    pub reserve: Arc<DiskReserve>,
    /// Bytes of the write-ahead log at which the writer restarts it.
    pub log_bytes_max: u64,
    /// Messages that left their mailbox and are remembered at most.
    pub remembered_max: usize,
}

/// The open file, before its tasks run.
#[derive(Debug)]
pub struct MessageStore {
    settings: MessageStoreSettings,
    options: SqliteConnectOptions,
    writing: SqliteConnection,
    reading: SqliteConnection,
}

/// The tasks of the store, ready to be spawned, and what others need of it.
#[derive(Debug)]
pub(crate) struct StartedStore {
    pub(crate) queue: Arc<WriteQueue>,
    pub(crate) loads: mpsc::Sender<LoadRequest>,
    pub(crate) log: WriteAheadLog,
    pub(crate) reserve: Arc<DiskReserve>,
    pub(crate) writer: MessageWriter,
    pub(crate) reader: MessageReader,
    pub(crate) checkpointer: Checkpointer,
}

impl MessageStore {
    /// Opens the file, creates it if it does not exist, migrates it, and copies the rows of an
    /// earlier version into it. Open it before [`Store::open`](crate::store::Store::open), which
    /// drops those.
    ///
    /// # Errors
    /// The file cannot be opened or written.
    pub async fn open(settings: MessageStoreSettings) -> Result<Self, MessageStoreError> {
        let options = options(&settings);
        let failed = |source| MessageStoreError::Open { path: settings.path.clone(), source };
        let mut writing = first_options(&options, &settings.path).connect().await.map_err(failed)?;
        sqlx::migrate!("./mailbox_migrations")
            .run(&mut writing)
            .await
            .map_err(|source| failed(source.into()))?;
        former_file::copy_rows(&mut writing, &settings.former_path).await.map_err(failed)?;
        let reading = options.connect().await.map_err(failed)?;
        Ok(Self { settings, options, writing, reading })
    }

    /// `loads_max` page loads wait for the reader at most.
    pub(crate) async fn start(self, loads_max: usize) -> Result<StartedStore, sqlx::Error> {
        let Self { settings, options, mut writing, reading } = self;
        let queue = Arc::new(WriteQueue::default());
        let (loads, requests) = mpsc::channel(loads_max);
        let log = WriteAheadLog::default();
        let checkpointer = Checkpointer::new(options.connect().await?, log.clone());
        let statements = Statements::new(SpareBodies::find(&mut writing).await?);
        let writer = MessageWriter {
            connection: writing,
            queue: Arc::clone(&queue),
            reserve: Arc::clone(&settings.reserve),
            statements,
            forgetting: Forgetting::new(settings.remembered_max as u64),
            log: LogLimit::new(log.clone(), settings.log_bytes_max),
            failed: false,
            options,
        };
        let reader = MessageReader::new(reading, requests);
        Ok(StartedStore { queue, loads, log, reserve: settings.reserve, writer, reader, checkpointer })
    }
}

fn options(settings: &MessageStoreSettings) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(&settings.path)
        .page_size(PAGE_BYTES)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        // A checkpoint inside a commit takes 30 to 60 ms.
        .pragma("wal_autocheckpoint", "0")
        .pragma("journal_size_limit", settings.log_bytes_max.to_string())
}

/// The options of the connection that may have to create the file. On a full disk, the writer gives
/// unused pages back, which has to be chosen before there are tables.
///
/// Chosen again, it would be a commit with each connection that is opened: a start would wait for
/// each of them on a slow disk, and fail on a full one.
fn first_options(options: &SqliteConnectOptions, path: &Path) -> SqliteConnectOptions {
    let options = options.clone().create_if_missing(true);
    if has_tables(path) { options } else { options.auto_vacuum(SqliteAutoVacuum::Incremental) }
}

/// False if the file is missing, or may be empty because its creation was interrupted.
fn has_tables(path: &Path) -> bool {
    // Only the creation uses a journal; everything after it uses the write-ahead log.
    let interrupted = path.with_extension("db-journal").exists();
    !interrupted && std::fs::metadata(path).is_ok_and(|file| file.len() > 0)
}
