//! The connection to the relay's SQLite file, and how its columns become values.
//!
//! The relay creates the tables (`relay/migrations`), because they refer to its agents: a removed
//! agent takes its accounts, invitations and grants with it.

use protocol::Did;
use protocol::did::{AgentName, Domain, TenantId};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row as _, Sqlite, Transaction};

/// The result of a statement.
pub(crate) type Result<T = ()> = std::result::Result<T, sqlx::Error>;

/// The database. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(super) pool: SqlitePool,
    /// The domain of all agents.
    domain: Domain,
}

impl Database {
    pub(crate) const fn new(pool: SqlitePool, domain: Domain) -> Self {
        Self { pool, domain }
    }

    /// A transaction that holds the write lock from its start, so that transactions run one after
    /// the other: of two exchanges of one code, the second finds it used.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        self.pool.begin_with("begin immediate").await
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// The agent in the columns `tenant` and `agent` of a row.
    pub(super) fn agent(&self, row: &SqliteRow) -> Result<Option<Did>> {
        self.agent_in(row, "tenant", "agent")
    }

    pub(super) fn agent_in(&self, row: &SqliteRow, tenant: &str, name: &str) -> Result<Option<Did>> {
        let tenant: Option<String> = row.try_get(tenant)?;
        let name: Option<String> = row.try_get(name)?;
        let (Some(tenant), Some(name)) = (tenant, name) else { return Ok(None) };
        let tenant: TenantId = tenant.parse().map_err(decode)?;
        let name: AgentName = name.parse().map_err(decode)?;
        Ok(Some(Did::new(&self.domain, &tenant, &name)))
    }
}

/// The error for a stored value that this version cannot read.
pub(super) fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// A time as SQLite stores it. SQLite has signed integers only; a later time becomes the last one.
pub(super) fn integer(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// A time or a count, which is never stored as a negative number.
pub(super) fn unsigned(row: &SqliteRow, name: &str) -> Result<u64> {
    row.try_get::<i64, _>(name).map(|value| u64::try_from(value).unwrap_or_default())
}
