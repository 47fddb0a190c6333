//! Reads and writes accounts.

use protocol::Did;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::database::{Database, Result};
use crate::people::account::Account;

impl Database {
    /// Must not be called during a transaction: it would wait for a connection that the transaction
    /// holds.
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

    /// The account with this issuer and subject. It is inserted if there is none; if there is one,
    /// only its e-mail address is updated.
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

/// The account of a row. `agent` is the only agent that it may use, if it came from an invitation.
pub(crate) fn read(row: &SqliteRow, agent: Option<Did>) -> Result<Account> {
    Ok(Account {
        id: row.try_get("account")?,
        issuer: row.try_get("issuer")?,
        subject: row.try_get("subject")?,
        email: row.try_get("email")?,
        agent,
    })
}

/// Inserts a new account.
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

/// Deletes an account with its grants and their tokens.
pub(crate) async fn delete(to: &mut SqliteConnection, id: &str) -> Result {
    sqlx::query("delete from oauth_accounts where account = ?").bind(id).execute(to).await.map(|_| ())
}
