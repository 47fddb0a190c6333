//! Makes pools of SQLite connections that hand out none with a lost transaction.
//!
//! SQLite ends a transaction by itself when a statement finds the disk full or broken. sqlx counts
//! it as open then, makes the next one a part of it, and may report later ones as committed that
//! are not.

use sqlx::Connection as _;
use sqlx::sqlite::SqlitePoolOptions;

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
