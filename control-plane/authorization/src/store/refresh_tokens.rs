//! Reads and writes refresh tokens. Replaced ones are kept until they expire, so that their reuse
//! is detected.

use protocol::UnixSeconds;
use sqlx::{Row as _, SqliteConnection};

use super::database::{Database, Result, integer, unsigned};
use crate::grants::grant::StoredRefreshToken;
use crate::secret::SecretHash;

impl Database {
    pub(crate) async fn refresh_token(
        &self,
        from: &mut SqliteConnection,
        hash: SecretHash,
    ) -> Result<Option<StoredRefreshToken>> {
        let found = sqlx::query(
            "select g.*, t.replaced, t.retries, t.expires as token_expires
             from oauth_refresh_tokens t join oauth_grants g using (grant_id) where t.hash = ?",
        )
        .bind(hash.as_bytes())
        .fetch_optional(from)
        .await?;
        let Some(row) = found else { return Ok(None) };
        let replaced: Option<i64> = row.try_get("replaced")?;
        Ok(Some(StoredRefreshToken {
            grant: self.read_grant(&row, "expires")?,
            expires: unsigned(&row, "token_expires")?,
            replaced: replaced.map(|at| u64::try_from(at).unwrap_or_default()),
            retries: row.try_get("retries")?,
        }))
    }
}

pub(crate) async fn insert(
    to: &mut SqliteConnection,
    hash: SecretHash,
    grant_id: &str,
    expires: UnixSeconds,
) -> Result {
    sqlx::query("insert into oauth_refresh_tokens (hash, grant_id, expires) values (?, ?, ?)")
        .bind(hash.as_bytes())
        .bind(grant_id)
        .bind(integer(expires))
        .execute(to)
        .await
        .map(|_| ())
}

/// Records the first use of a token.
pub(crate) async fn mark_replaced(to: &mut SqliteConnection, hash: SecretHash, now: UnixSeconds) -> Result {
    let mark = sqlx::query("update oauth_refresh_tokens set replaced = ? where hash = ?");
    mark.bind(integer(now)).bind(hash.as_bytes()).execute(to).await.map(|_| ())
}

/// Records a repeated use within the grace period.
pub(crate) async fn mark_retried(to: &mut SqliteConnection, hash: SecretHash) -> Result {
    let mark = sqlx::query("update oauth_refresh_tokens set retries = retries + 1 where hash = ?");
    mark.bind(hash.as_bytes()).execute(to).await.map(|_| ())
}

/// Deletes all but the newest `keep` replaced tokens of a grant.
pub(crate) async fn delete_oldest_replaced(to: &mut SqliteConnection, grant_id: &str, keep: u32) -> Result {
    sqlx::query(
        "delete from oauth_refresh_tokens where hash in (
           select hash from oauth_refresh_tokens where grant_id = ? and replaced is not null
           order by replaced desc limit -1 offset ?)",
    )
    .bind(grant_id)
    .bind(keep)
    .execute(to)
    .await
    .map(|_| ())
}
