//! The file of this agent's inbox and tasks: SQLite, opened by one process. Write-ahead log with `synchronous = full`: what
//! was committed is on disk. Without a state folder it is kept in memory, and lost with the process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

/// Name of the file below the state folder.
const FILE: &str = "mailbox.db";
/// How long a statement waits for the process before this one to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
    durable: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("failed to make the state folder {}", .0.display())]
    Folder(PathBuf, #[source] std::io::Error),
    #[error("failed to open {}", .0.display())]
    Open(PathBuf, #[source] sqlx::Error),
    #[error("failed to bring the mailbox file to this version's schema")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    #[error("failed to read from the mailbox file")]
    Read(#[source] sqlx::Error),
    #[error("failed to write to the mailbox file")]
    Write(#[source] sqlx::Error),
    /// A row that this version did not write.
    #[error("failed to understand the stored {0}")]
    Row(&'static str),
}

impl Store {
    /// Opens the file below the folder, which is made for this user alone when it is absent.
    ///
    /// # Errors
    /// It cannot be opened or written, or was written by a newer version.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        private_folder(folder).map_err(|source| StoreError::Folder(folder.to_owned(), source))?;
        let path = folder.join(FILE);
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // Deleted text does not stay behind in free pages.
            .pragma("secure_delete", "on");
        Self::connect(options, true).await.map_err(|error| match error {
            StoreError::Read(source) => StoreError::Open(path, source),
            other => other,
        })
    }

    /// A store that ends with the process.
    ///
    /// # Errors
    /// No memory.
    pub async fn in_memory() -> Result<Self, StoreError> {
        Self::connect(SqliteConnectOptions::new().in_memory(true), false).await
    }

    async fn connect(options: SqliteConnectOptions, durable: bool) -> Result<Self, StoreError> {
        let options = options.foreign_keys(true).busy_timeout(BUSY_TIMEOUT);
        // One connection, never given up: a store in memory lives as long as its connection.
        let pool = SqlitePoolOptions::new()
            .min_connections(1)
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .map_err(StoreError::Read)?;
        sqlx::migrate!("./migrations").run(&pool).await.map_err(StoreError::Migrate)?;
        Ok(Self { pool, durable })
    }

    /// Whether a restart finds again what was committed.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        self.durable
    }

    pub(crate) const fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Closes the file in order.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
