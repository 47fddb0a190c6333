//! The SQLite file of the relay: opens it, migrates it, and reads its identity.
//!
//! It uses the write-ahead log with `synchronous = full`: a commit that returned is on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::did::Domain;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

mod disk_reserve;
mod identity;

pub use disk_reserve::{DiskReserve, VolumePlan};
pub use identity::StoreIdentity;

/// How long a statement waits for the write of another connection. A transaction takes a few
/// milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Name of the file below the data folder.
const FILE: &str = "relay.db";
/// Name of the file with the mailboxes. It is apart, so that changes of the directory wait neither
/// for a commit nor for the log of the mailboxes.
const MAILBOX_FILE: &str = "mailbox.db";
/// Pages of the write-ahead log after which a commit copies them into the database: 4 MiB. Few
/// changes are so large, and each checkpoint stays short.
const CHECKPOINT_PAGES: &str = "256";
/// Bytes that the file of the write-ahead log keeps after a checkpoint.
const LOG_FILE_BYTES: &str = "8388608";

/// SQLite's code for a full disk or a file at its limit.
const SQLITE_FULL: &str = "13";
/// SQLite could not enlarge the index of the write-ahead log, for lack of space.
const SQLITE_IOERR_SHMSIZE: &str = "4874";

/// A handle on the file. It is cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
    /// Freed when a change finds the disk full. Tests may have none.
    reserve: Option<Arc<DiskReserve>>,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("failed to open the store {}", path.display())]
    Open { path: PathBuf, source: sqlx::Error },
    #[error("failed to migrate the store {} to the schema of this version", path.display())]
    Migrate { path: PathBuf, source: sqlx::migrate::MigrateError },
    #[error("failed to load the directory from the store")]
    Load(#[source] sqlx::Error),
    #[error("failed to read the stored {0}")]
    Row(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the store belongs to the domain {found}; this relay is configured for {wanted}")]
    OtherDomain { found: String, wanted: Domain },
    #[error("failed to commit a change of the directory")]
    Commit(#[source] sqlx::Error),
    #[error("the log of the store is in use")]
    Busy,
}

impl StoreError {
    /// Whether a write failed for lack of space. Then nothing of it is on disk.
    pub(crate) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Commit(error) if is_disk_full(error))
    }
}

/// The path of the store below the data folder.
#[must_use]
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

/// The path of the mailboxes below the data folder.
#[must_use]
pub fn mailbox_path(data_dir: &Path) -> PathBuf {
    data_dir.join(MAILBOX_FILE)
}

/// Opens the file that [`Store::open`] has migrated, with one connection for the authorization
/// server. Its transactions then run one after the other.
///
/// # Errors
/// The file cannot be opened.
pub(crate) async fn open_pool(path: &Path) -> Result<SqlitePool, StoreError> {
    let opened = pool_options().connect_with(options(path)).await;
    opened.map_err(|source| StoreError::Open { path: path.to_owned(), source })
}

/// One connection is enough: all writes of the directory come from one task.
fn pool_options() -> SqlitePoolOptions {
    sqlite_pool::closing_lost_transactions(SqlitePoolOptions::new().max_connections(1))
}

/// The options that all connections share.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", LOG_FILE_BYTES)
}

/// Whether a write failed because the disk, or the file by its limit, is full.
pub(crate) fn is_disk_full(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE)
}

impl Store {
    /// Opens the file, creates it if it does not exist, and migrates it to the current schema.
    ///
    /// # Errors
    /// The file cannot be opened or written, or was written by a newer version.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        // The size of a page matters for a new file only. Records have about 3 KiB.
        let options = options(path).create_if_missing(true).page_size(16 * 1024);
        let pool = pool_options()
            .connect_with(options)
            .await
            .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        sqlx::migrate!("./migrations")
            .run(&pool)
            .await
            .map_err(|source| StoreError::Migrate { path: path.to_owned(), source })?;
        Ok(Self { pool, reserve: None })
    }

    /// Lets changes of the directory use the reserve of the disk.
    #[must_use]
    pub fn with_reserve(self, reserve: Arc<DiskReserve>) -> Self {
        Self { reserve: Some(reserve), ..self }
    }

    /// Whether the disk has room for changes that can wait, such as registrations.
    pub(crate) fn has_room(&self) -> bool {
        self.reserve.as_ref().is_none_or(|reserve| reserve.has_room())
    }

    /// Frees the reserve of the disk, if there is one, after a failed change.
    pub(crate) fn release_reserve(&self) {
        self.reserve.iter().for_each(|reserve| _ = reserve.release());
    }

    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Closes the file; this checkpoints the write-ahead log.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
