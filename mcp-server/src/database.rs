//! The SQLite database of this agent's inbox and tasks, opened by one process at a time. It runs
//! with a write-ahead log and `synchronous = full`: a committed transaction is on disk. Without a
//! state folder the database is in memory and lost with the process.

use std::path::Path;

use sqlx::sqlite::SqlitePool;

/// Name of the database file in the state folder.
const FILE_NAME: &str = "mailbox.db";

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    pool: SqlitePool,
    durable: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error(transparent)]
    Open(#[from] sqlite_pool::OpenError),
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
        Self::migrated(sqlite_pool::open_private_file(folder, FILE_NAME).await?, true).await
    }

    /// Opens a database in memory, which ends with the process.
    ///
    /// # Errors
    /// SQLite cannot allocate it.
    pub async fn in_memory() -> Result<Self, DatabaseError> {
        Self::migrated(sqlite_pool::open_in_memory().await?, false).await
    }

    async fn migrated(pool: SqlitePool, durable: bool) -> Result<Self, DatabaseError> {
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
