//! What the authorization server keeps, in the relay's SQLite file on a connection of its own. Statements only: who may do
//! what is decided in `crate::oauth`.
//!
//! One connection, so transactions come one after the other: of two exchanges of one code, one finds it used.

use std::path::Path;

use protocol::Did;
use protocol::did::{AgentName, Domain, TenantId};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Row as _, Sqlite, Transaction};

pub(crate) mod accounts;
pub(crate) mod clients;
pub(crate) mod codes;
pub(crate) mod grants;
pub(crate) mod invitations;
pub(crate) mod refresh_tokens;
mod sweep;

pub(crate) use sweep::{Horizon, Swept};

type Result<T = ()> = std::result::Result<T, sqlx::Error>;

#[derive(Debug, Clone)]
pub struct OauthStore {
    pool: SqlitePool,
    domain: Domain,
}

impl OauthStore {
    /// Opens a file that [`super::Store::open`] has brought to the current schema.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub async fn open(path: &Path, domain: Domain) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(super::BUSY_TIMEOUT)
            // The mailbox checkpoints on a connection of its own.
            .pragma("wal_autocheckpoint", "0");
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        Ok(Self { pool, domain })
    }

    /// A transaction that holds the write lock from its start.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        self.pool.begin_with("begin immediate").await
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// The agent of a row with the columns `tenant` and `agent`.
    fn agent(&self, row: &SqliteRow) -> Result<Option<Did>> {
        self.agent_in(row, "tenant", "agent")
    }

    fn agent_in(&self, row: &SqliteRow, tenant: &str, name: &str) -> Result<Option<Did>> {
        let tenant: Option<String> = row.try_get(tenant)?;
        let name: Option<String> = row.try_get(name)?;
        let (Some(tenant), Some(name)) = (tenant, name) else { return Ok(None) };
        let tenant: TenantId = tenant.parse().map_err(decode)?;
        let name: AgentName = name.parse().map_err(decode)?;
        Ok(Some(Did::new(&self.domain, &tenant, &name)))
    }
}

/// A stored value that this version does not understand.
fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// SQLite has signed integers only; a time beyond them is as good as the last one.
fn integer(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// A time or count, which we never store below zero.
fn unsigned(row: &SqliteRow, name: &str) -> Result<u64> {
    row.try_get::<i64, _>(name).map(|value| u64::try_from(value).unwrap_or_default())
}
