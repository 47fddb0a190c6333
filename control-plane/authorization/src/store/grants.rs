//! Reads and writes grants. Revoking a grant deletes it together with its code and refresh tokens.

use protocol::UnixSeconds;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::database::{Database, Result, integer, unsigned};
use crate::grants::grant::Grant;
use crate::people::account::Account;

impl Database {
    /// A grant and the account that gave it, in one query, because every request to a resource
    /// server may need it.
    pub(crate) async fn grant_and_account(&self, id: &str) -> Result<Option<(Grant, Account)>> {
        let found = sqlx::query(
            "select g.*, a.issuer, a.subject, a.email, a.tenant as account_tenant, a.agent as account_agent
             from oauth_grants g join oauth_accounts a using (account) where g.grant_id = ?",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = found else { return Ok(None) };
        let agent = self.agent_in(&row, "account_tenant", "account_agent")?;
        Ok(Some((self.read_grant(&row, "expires")?, super::accounts::read(&row, agent)?)))
    }

    /// Deletes the grants for a gateway at any other URL, or all gateway grants if there is no
    /// gateway. Returns how many there were.
    pub(crate) async fn delete_other_gateway_grants(&self, gateway_url: Option<&str>) -> Result<u64> {
        let done = sqlx::query("delete from oauth_grants where gateway = 1 and resource is not ?")
            .bind(gateway_url)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }

    /// Deletes a grant if it belongs to this client. Returns whether it did.
    pub(crate) async fn revoke_grant(&self, id: &str, client_id: &str) -> Result<bool> {
        let done = sqlx::query("delete from oauth_grants where grant_id = ? and client_id = ?")
            .bind(id)
            .bind(client_id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    pub(crate) fn read_grant(&self, row: &SqliteRow, expires: &str) -> Result<Grant> {
        Ok(Grant {
            id: row.try_get("grant_id")?,
            account: row.try_get("account")?,
            client_id: row.try_get("client_id")?,
            agent: self.agent(row)?.ok_or(sqlx::Error::RowNotFound)?,
            resource: row.try_get("resource")?,
            gateway: row.try_get("gateway")?,
            scope: row.try_get("scope")?,
            expires: unsigned(row, expires)?,
        })
    }
}

pub(crate) async fn insert(to: &mut SqliteConnection, grant: &Grant, now: UnixSeconds) -> Result {
    sqlx::query(
        "insert into oauth_grants
           (grant_id, account, client_id, tenant, agent, resource, gateway, scope, created, expires)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&grant.id)
    .bind(&grant.account)
    .bind(&grant.client_id)
    .bind(grant.agent.tenant().as_str())
    .bind(grant.agent.name())
    .bind(&grant.resource)
    .bind(grant.gateway)
    .bind(&grant.scope)
    .bind(integer(now))
    .bind(integer(grant.expires))
    .execute(to)
    .await
    .map(|_| ())
}

pub(crate) async fn delete(to: &mut SqliteConnection, id: &str) -> Result {
    sqlx::query("delete from oauth_grants where grant_id = ?").bind(id).execute(to).await.map(|_| ())
}

/// Deletes the oldest grants of the account of this one, beyond `keep` others.
pub(crate) async fn delete_oldest(to: &mut SqliteConnection, new: &Grant, keep: u32) -> Result {
    sqlx::query(
        "delete from oauth_grants where grant_id in (
           select grant_id from oauth_grants where account = ? and grant_id <> ?
           order by created desc, grant_id limit -1 offset ?)",
    )
    .bind(&new.account)
    .bind(&new.id)
    .bind(keep)
    .execute(to)
    .await
    .map(|_| ())
}
