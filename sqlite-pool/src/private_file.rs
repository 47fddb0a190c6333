//! The database of one process, in a file that only its user can read or in memory. A committed
//! transaction of a file is on disk: it runs with a write-ahead log and `synchronous = full`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::closing_lost_transactions;

/// How long a statement waits for a lock: a restarted process may overlap with the one before it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("failed to make the state folder {}", .0.display())]
    Folder(PathBuf, #[source] std::io::Error),
    #[error("failed to open {}", .0.display())]
    File(PathBuf, #[source] sqlx::Error),
    #[error("failed to open a database in memory")]
    Memory(#[source] sqlx::Error),
}

/// Opens a file in a folder, with one connection. Creates the folder, accessible to this user only,
/// and the file, where they do not exist.
///
/// # Errors
/// The folder or the file cannot be made, or the file is no database.
pub async fn open_private_file(folder: &Path, file_name: &str) -> Result<SqlitePool, OpenError> {
    create_private_folder(folder).map_err(|source| OpenError::Folder(folder.to_owned(), source))?;
    let path = folder.join(file_name);
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // Overwrites what is deleted, so that it does not remain in free pages.
        .pragma("secure_delete", "on");
    // The connection of a file is replaced after a full disk.
    let pool = closing_lost_transactions(one_connection());
    connect(pool, options).await.map_err(|source| OpenError::File(path, source))
}

/// Opens a database in memory, which ends with the pool.
///
/// # Errors
/// SQLite cannot allocate it.
pub async fn open_in_memory() -> Result<SqlitePool, OpenError> {
    let options = SqliteConnectOptions::new().in_memory(true);
    connect(one_connection(), options).await.map_err(OpenError::Memory)
}

async fn connect(pool: SqlitePoolOptions, options: SqliteConnectOptions) -> sqlx::Result<SqlitePool> {
    pool.connect_with(options.foreign_keys(true).busy_timeout(LOCK_TIMEOUT)).await
}

/// One connection that is never closed for its age: a database in memory lives as long as it does.
fn one_connection() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
