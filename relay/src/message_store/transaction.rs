//! Transactions of the writer, begun and ended by statements.
//!
//! SQLite ends a transaction by itself when a statement finds the disk full or broken. sqlx counts
//! it as open then, makes the next one a savepoint inside it, and after one more failure reports
//! transactions as committed that are not. Here nothing is counted: a transaction that did not end
//! lets the next one fail.

use sqlx::SqliteConnection;

/// Begins a transaction that writes.
pub(super) async fn begin(on: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query("begin immediate").execute(on).await.map(drop)
}

/// Commits, or undoes the transaction if it or its commit failed.
pub(super) async fn end<T>(on: &mut SqliteConnection, result: sqlx::Result<T>) -> sqlx::Result<T> {
    let committed = match result {
        Ok(value) => sqlx::query("commit").execute(&mut *on).await.map(|_| value),
        Err(error) => Err(error),
    };
    if committed.is_err() {
        // An error says that SQLite has undone it already.
        let _ = sqlx::query("rollback").execute(on).await;
    }
    committed
}
