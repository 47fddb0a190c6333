//! The SQLite file of the relay: opens it, migrates it, and reads its identity.
//!
//! It uses the write-ahead log with `synchronous = full`: a commit that returned is on disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::did::Domain;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

mod identity;

pub use identity::StoreIdentity;

/// How long a statement waits for the write of another connection. A batch of the mailbox takes a
/// few milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Name of the file below the data folder.
const FILE: &str = "relay.db";

/// A handle on the file. It is cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
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
}

/// The path of the store below the data folder.
#[must_use]
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

/// Opens the file that [`Store::open`] has migrated, with one connection for the authorization
/// server. Its transactions then run one after the other.
///
/// # Errors
/// The file cannot be opened.
pub(crate) async fn open_pool(path: &Path) -> Result<SqlitePool, StoreError> {
    let opened = SqlitePoolOptions::new().max_connections(1).connect_with(options(path)).await;
    opened.map_err(|source| StoreError::Open { path: path.to_owned(), source })
}

/// The options that all connections share.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // The message store checkpoints on a separate connection.
        .pragma("wal_autocheckpoint", "0")
}

impl Store {
    /// Opens the file, creates it if it does not exist, and migrates it to the current schema.
    ///
    /// # Errors
    /// The file cannot be opened or written, or was written by a newer version.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = options(path)
            .create_if_missing(true)
            // For a new file: messages are appended, and a larger page holds more of them per
            // fsync.
            .page_size(16 * 1024);
        // One connection is enough: all writes of the directory come from one task.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        sqlx::migrate!("./migrations")
            .run(&pool)
            .await
            .map_err(|source| StoreError::Migrate { path: path.to_owned(), source })?;
        Ok(Self { pool })
    }

    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Closes the file; this checkpoints the write-ahead log.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
