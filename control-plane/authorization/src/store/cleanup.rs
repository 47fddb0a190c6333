//! Deletes expired rows.

use protocol::UnixSeconds;

use super::database::{Database, Result, integer};

/// How many rows were deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DeletedRows {
    pub(crate) grants: u64,
    pub(crate) refresh_tokens: u64,
    pub(crate) invitations: u64,
    pub(crate) clients: u64,
}

/// The times before which rows have expired.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpiredBefore {
    pub(crate) now: UnixSeconds,
    /// Clients without a grant that registered before then are deleted.
    pub(crate) registered: UnixSeconds,
    /// Clients whose last grant was given before then are deleted, unless they still have one.
    pub(crate) used: UnixSeconds,
}

impl Database {
    pub(crate) async fn delete_expired(&self, before: ExpiredBefore) -> Result<DeletedRows> {
        let now = integer(before.now);
        // A grant ends when it expires, with a code that was never exchanged, or with its last
        // refresh token.
        let refresh_tokens = self.delete("delete from oauth_refresh_tokens where expires <= ?", now).await?;
        let grants = self.delete("delete from oauth_grants where expires <= ?", now).await?
            + self
                .delete(
                    "delete from oauth_grants where grant_id in (
                       select grant_id from oauth_codes where expires <= ?)
                     and grant_id not in (select grant_id from oauth_refresh_tokens)",
                    now,
                )
                .await?;
        let invitations =
            self.delete("delete from oauth_invitations where used = 0 and expires <= ?", now).await?;
        let clients = self
            .delete(
                "delete from oauth_clients where used is null and registered <= ?",
                integer(before.registered),
            )
            .await?
            + self
                .delete(
                    "delete from oauth_clients where used <= ?
                     and client_id not in (select client_id from oauth_grants)",
                    integer(before.used),
                )
                .await?;
        Ok(DeletedRows { grants, refresh_tokens, invitations, clients })
    }

    async fn delete(&self, statement: &'static str, limit: i64) -> Result<u64> {
        sqlx::query(statement).bind(limit).execute(&self.pool).await.map(|done| done.rows_affected())
    }
}
