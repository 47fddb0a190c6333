//! The SQLite database of this agent's inbox and tasks, opened by one process at a time. It runs
//! with a write-ahead log and `synchronous = full`: a committed transaction is on disk. Without a
//! state folder the database is in memory and lost with the process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

/// Name of the database file in the state folder.
const FILE_NAME: &str = "mailbox.db";
/// How long a statement waits for a lock: a restarted process may overlap with the one before it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    pool: SqlitePool,
    durable: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("failed to make the state folder {}", .0.display())]
    Folder(PathBuf, #[source] std::io::Error),
    #[error("failed to open {}", .0.display())]
    Open(PathBuf, #[source] sqlx::Error),
    #[error("failed to migrate {FILE_NAME} to this version's schema")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    #[error("failed to read from {FILE_NAME}")]
    Read(#[source] sqlx::Error),
    #[error("failed to write to {FILE_NAME}")]
    Write(#[source] sqlx::Error),
    /// A row that this version did not write.
    #[error("failed to parse the stored {0}")]
    Row(&'static str),
}

impl Database {
    /// Opens the file in the state folder. Creates the folder, accessible to this user only, when
    /// it does not exist.
    ///
    /// # Errors
    /// The file cannot be opened or written, or was written by a newer version.
    pub async fn open(folder: &Path) -> Result<Self, DatabaseError> {
        create_private_folder(folder).map_err(|source| DatabaseError::Folder(folder.to_owned(), source))?;
        let path = folder.join(FILE_NAME);
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // Overwrites deleted text, so that it does not remain in free pages.
            .pragma("secure_delete", "on");
        Self::connect(options, true).await.map_err(|error| match error {
            DatabaseError::Read(source) => DatabaseError::Open(path, source),
            other => other,
        })
    }

    /// Opens a database in memory, which ends with the process.
    ///
    /// # Errors
    /// SQLite cannot allocate it.
    pub async fn in_memory() -> Result<Self, DatabaseError> {
        Self::connect(SqliteConnectOptions::new().in_memory(true), false).await
    }

    async fn connect(options: SqliteConnectOptions, durable: bool) -> Result<Self, DatabaseError> {
        let options = options.foreign_keys(true).busy_timeout(LOCK_TIMEOUT);
        // One connection that is never closed: a database in memory lives as long as it does.
        let pool = SqlitePoolOptions::new()
            .min_connections(1)
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false);
        // That of a file is replaced after a full disk.
        let pool = if durable { sqlite_pool::closing_lost_transactions(pool) } else { pool };
        let pool = pool.connect_with(options).await.map_err(DatabaseError::Read)?;
        sqlx::migrate!("./migrations").run(&pool).await.map_err(DatabaseError::Migrate)?;
        Ok(Self { pool, durable })
    }

    /// Whether committed data outlives the process.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        self.durable
    }

    pub(crate) const fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Closes the file after the statements that are running.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
