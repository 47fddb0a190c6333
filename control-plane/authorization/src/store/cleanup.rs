//! Forgetting what has ended.

use protocol::UnixSeconds;

use super::{OauthStore, Result, integer};

/// How much was forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    pub(crate) grants: u64,
    pub(crate) refresh_tokens: u64,
    pub(crate) invitations: u64,
    pub(crate) clients: u64,
}

/// Moments before which things have ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Horizon {
    pub(crate) now: UnixSeconds,
    /// Of clients that nobody used.
    pub(crate) registered: UnixSeconds,
    /// Of clients that nobody used again.
    pub(crate) used: UnixSeconds,
}

impl OauthStore {
    pub(crate) async fn sweep(&self, horizon: Horizon) -> Result<Swept> {
        let now = integer(horizon.now);
        // A grant ends on its own day, with a code that nobody exchanged, or with its last refresh token.
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
                integer(horizon.registered),
            )
            .await?
            + self
                .delete(
                    "delete from oauth_clients where used <= ?
                     and client_id not in (select client_id from oauth_grants)",
                    integer(horizon.used),
                )
                .await?;
        Ok(Swept { grants, refresh_tokens, invitations, clients })
    }

    async fn delete(&self, statement: &'static str, before: i64) -> Result<u64> {
        sqlx::query(statement).bind(before).execute(&self.pool).await.map(|done| done.rows_affected())
    }
}
