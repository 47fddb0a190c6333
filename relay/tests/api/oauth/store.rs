//! Direct access to the relay's store, for tests that would otherwise need half a minute or five
//! thousand clients.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Row as _};

use crate::harness::{TEST_TIMEOUT, TestRelay};

async fn open(relay: &TestRelay) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(relay.store_file()).busy_timeout(TEST_TIMEOUT);
    options.connect().await.unwrap()
}

/// Changes rows; returns how many.
pub(super) async fn change(relay: &TestRelay, statement: &'static str) -> u64 {
    sqlx::query(statement).execute(&mut open(relay).await).await.unwrap().rows_affected()
}

/// The number that a query returns.
pub(super) async fn number(relay: &TestRelay, query: &'static str) -> i64 {
    sqlx::query(query).fetch_one(&mut open(relay).await).await.unwrap().try_get(0).unwrap()
}
