//! Grants. A revoked one is deleted, and its codes and tokens with it.

use protocol::UnixSeconds;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{OauthStore, Result, integer, unsigned};
use crate::oauth::Grant;

impl OauthStore {
    pub(crate) async fn grant(&self, id: &str) -> Result<Option<Grant>> {
        let found = sqlx::query("select * from oauth_grants where grant_id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        found.as_ref().map(|row| self.read_grant(row, "expires")).transpose()
    }

    /// Deletes it if it was given to this client; answers whether it was.
    pub(crate) async fn revoke_grant(&self, id: &str, client_id: &str) -> Result<bool> {
        let done = sqlx::query("delete from oauth_grants where grant_id = ? and client_id = ?")
            .bind(id)
            .bind(client_id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    pub(super) fn read_grant(&self, row: &SqliteRow, expires: &str) -> Result<Grant> {
        Ok(Grant {
            id: row.try_get("grant_id")?,
            account: row.try_get("account")?,
            client_id: row.try_get("client_id")?,
            agent: self.agent(row)?.ok_or(sqlx::Error::RowNotFound)?,
            resource: row.try_get("resource")?,
            scope: row.try_get("scope")?,
            expires: unsigned(row, expires)?,
        })
    }
}

pub(crate) async fn insert(to: &mut SqliteConnection, grant: &Grant, now: UnixSeconds) -> Result {
    sqlx::query(
        "insert into oauth_grants
           (grant_id, account, client_id, tenant, agent, resource, scope, created, expires)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&grant.id)
    .bind(&grant.account)
    .bind(&grant.client_id)
    .bind(grant.agent.tenant().as_str())
    .bind(grant.agent.name())
    .bind(&grant.resource)
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

/// Keeps the newest `keep` grants of an account.
pub(crate) async fn delete_oldest(to: &mut SqliteConnection, account: &str, keep: u32) -> Result {
    sqlx::query(
        "delete from oauth_grants where grant_id in (
           select grant_id from oauth_grants where account = ? order by created desc, grant_id limit -1 offset ?)",
    )
    .bind(account)
    .bind(keep)
    .execute(to)
    .await
    .map(|_| ())
}
