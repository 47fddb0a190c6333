//! People.

use protocol::Did;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{OauthStore, Result};
use crate::oauth::Account;

impl OauthStore {
    /// Not within a transaction, which holds the only connection.
    pub(crate) async fn account(&self, id: &str) -> Result<Option<Account>> {
        self.account_in(&mut *self.pool.acquire().await?, id).await
    }

    pub(crate) async fn account_in(&self, from: &mut SqliteConnection, id: &str) -> Result<Option<Account>> {
        let found = sqlx::query("select * from oauth_accounts where account = ?")
            .bind(id)
            .fetch_optional(from)
            .await?;
        found.as_ref().map(|row| self.read_account(row)).transpose()
    }

    /// The account of this provider and subject; `account.id` and the rest are taken where there is none yet, and the
    /// address is always that of `account`.
    pub(crate) async fn account_or_insert(&self, account: &Account) -> Result<Account> {
        let row = sqlx::query(
            "insert into oauth_accounts (account, issuer, subject, email) values (?, ?, ?, ?)
             on conflict (issuer, subject) do update set email = excluded.email returning *",
        )
        .bind(&account.id)
        .bind(&account.issuer)
        .bind(&account.subject)
        .bind(&account.email)
        .fetch_one(&self.pool)
        .await?;
        self.read_account(&row)
    }

    fn read_account(&self, row: &SqliteRow) -> Result<Account> {
        read(row, self.agent(row)?)
    }
}

/// An account that may use this agent only, if any is named.
pub(super) fn read(row: &SqliteRow, agent: Option<Did>) -> Result<Account> {
    Ok(Account {
        id: row.try_get("account")?,
        issuer: row.try_get("issuer")?,
        subject: row.try_get("subject")?,
        email: row.try_get("email")?,
        agent,
    })
}

/// A new account for one agent.
pub(crate) async fn insert(to: &mut SqliteConnection, account: &Account) -> Result {
    sqlx::query("insert into oauth_accounts (account, issuer, subject, email, tenant, agent) values (?, ?, ?, ?, ?, ?)")
        .bind(&account.id)
        .bind(&account.issuer)
        .bind(&account.subject)
        .bind(&account.email)
        .bind(account.agent.as_ref().map(|did| did.tenant().to_string()))
        .bind(account.agent.as_ref().map(|did| did.name().to_owned()))
        .execute(to)
        .await
        .map(|_| ())
}

/// With its grants and their tokens.
pub(crate) async fn delete(to: &mut SqliteConnection, id: &str) -> Result {
    sqlx::query("delete from oauth_accounts where account = ?").bind(id).execute(to).await.map(|_| ())
}
