//! Makes pools of SQLite connections that hand out none with a lost transaction, and opens the
//! database of a process with such a pool.
//!
//! SQLite ends a transaction by itself when a statement finds the disk full or broken. sqlx counts
//! it as open then, makes the next one a part of it, and may report later ones as committed that
//! are not.

mod private_file;

use sqlx::Connection as _;
use sqlx::sqlite::SqlitePoolOptions;

pub use private_file::{OpenError, open_in_memory, open_private_file};

/// Lets the pool close a connection that comes back with a transaction that sqlx counts as open.
#[must_use]
pub fn closing_lost_transactions(options: SqlitePoolOptions) -> SqlitePoolOptions {
    options.after_release(|connection, _| {
        Box::pin(async move {
            // It waits until the transaction, if it was dropped, is rolled back.
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    })
}
