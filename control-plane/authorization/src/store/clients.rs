//! Reads and writes registered clients.

use protocol::UnixSeconds;
use sqlx::{Row as _, SqliteConnection};

use super::database::{Database, Result, decode, integer, unsigned};
use crate::clients::client::Client;

impl Database {
    pub(crate) async fn client(&self, id: &str) -> Result<Option<Client>> {
        let found = sqlx::query("select metadata from oauth_clients where client_id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = found else { return Ok(None) };
        let metadata: String = row.try_get("metadata")?;
        Ok(Client::from_stored(id.to_owned(), serde_json::from_str(&metadata).map_err(decode)?))
    }
}

pub(crate) async fn insert(to: &mut SqliteConnection, client: &Client, now: UnixSeconds) -> Result {
    let metadata = serde_json::to_string(&client.to_stored()).map_err(|e| sqlx::Error::Encode(e.into()))?;
    sqlx::query("insert into oauth_clients (client_id, metadata, registered) values (?, ?, ?)")
        .bind(&client.id)
        .bind(metadata)
        .bind(integer(now))
        .execute(to)
        .await
        .map(|_| ())
}

/// The number of clients that never had a grant.
pub(crate) async fn count_unused(from: &mut SqliteConnection) -> Result<u64> {
    let row = sqlx::query("select count(*) as clients from oauth_clients where used is null")
        .fetch_one(from)
        .await?;
    unsigned(&row, "clients")
}

/// Deletes the unused client that registered first, if that was before `before`. Returns whether
/// there was one.
pub(crate) async fn delete_oldest_unused(to: &mut SqliteConnection, before: UnixSeconds) -> Result<bool> {
    let done = sqlx::query(
        "delete from oauth_clients where client_id = (
           select client_id from oauth_clients where used is null and registered < ? order by registered limit 1)",
    )
    .bind(integer(before))
    .execute(to)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Records that a person allowed the client something. Does nothing for clients that are not
/// registered here.
pub(crate) async fn mark_used(to: &mut SqliteConnection, id: &str, now: UnixSeconds) -> Result {
    sqlx::query("update oauth_clients set used = ? where client_id = ?")
        .bind(integer(now))
        .bind(id)
        .execute(to)
        .await
        .map(|_| ())
}
