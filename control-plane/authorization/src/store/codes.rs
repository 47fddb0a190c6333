//! Reads and writes authorization codes. Each grant has exactly one.

use sqlx::{Row as _, SqliteConnection};

use super::database::{Database, Result, decode, integer, unsigned};
use crate::grants::grant::StoredCode;
use crate::grants::pkce::Challenge;
use crate::secret::SecretHash;

impl Database {
    pub(crate) async fn code(
        &self,
        from: &mut SqliteConnection,
        hash: SecretHash,
    ) -> Result<Option<StoredCode>> {
        let found = sqlx::query(
            "select g.*, c.redirect_uri, c.challenge, c.used, c.expires as code_expires
             from oauth_codes c join oauth_grants g using (grant_id) where c.hash = ?",
        )
        .bind(hash.as_bytes())
        .fetch_optional(from)
        .await?;
        let Some(row) = found else { return Ok(None) };
        let challenge: Vec<u8> = row.try_get("challenge")?;
        let challenge = <[u8; 32]>::try_from(challenge.as_slice()).map_err(decode)?;
        Ok(Some(StoredCode {
            grant: self.read_grant(&row, "expires")?,
            redirect_uri: row.try_get("redirect_uri")?,
            challenge: Challenge(challenge),
            expires: unsigned(&row, "code_expires")?,
            used: row.try_get("used")?,
        }))
    }
}

pub(crate) async fn insert(to: &mut SqliteConnection, hash: SecretHash, code: &StoredCode) -> Result {
    sqlx::query(
        "insert into oauth_codes (hash, grant_id, redirect_uri, challenge, expires) values (?, ?, ?, ?, ?)",
    )
    .bind(hash.as_bytes())
    .bind(&code.grant.id)
    .bind(&code.redirect_uri)
    .bind(code.challenge.0.as_slice())
    .bind(integer(code.expires))
    .execute(to)
    .await
    .map(|_| ())
}

pub(crate) async fn mark_used(to: &mut SqliteConnection, hash: SecretHash) -> Result {
    let mark = sqlx::query("update oauth_codes set used = 1 where hash = ?");
    mark.bind(hash.as_bytes()).execute(to).await.map(|_| ())
}
