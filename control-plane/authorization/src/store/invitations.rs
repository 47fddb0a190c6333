//! Reads and writes invitations.

use protocol::admin::{InvitationView, Page};
use protocol::did::TenantId;
use protocol::{Did, UnixSeconds};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::database::{Database, Result, decode, integer, unsigned};
use crate::secret::SecretHash;

/// The invitation of a presented code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredInvitation {
    pub(crate) id: String,
    pub(crate) agent: Did,
    pub(crate) expires: UnixSeconds,
    pub(crate) used: bool,
}

/// An invitation that an admin declared, with the hash of its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredDeclaration {
    pub(crate) agent: Did,
    pub(crate) hash: SecretHash,
    pub(crate) expires: UnixSeconds,
}

impl Database {
    /// At most `limit` invitations of a tenant, starting after the id `after`.
    pub(crate) async fn invitation_page(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<InvitationView>> {
        let rows =
            sqlx::query("select * from oauth_invitations where tenant = ? and id > ? order by id limit ?")
                .bind(tenant.as_str())
                .bind(after.unwrap_or_default())
                .bind(i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX))
                .fetch_all(&self.pool)
                .await?;
        let items: Vec<_> = rows.iter().take(limit).map(view).collect::<Result<_>>()?;
        let next = items.last().filter(|_| rows.len() > limit).map(|last| last.id.clone());
        Ok(Page { items, next })
    }

    pub(crate) async fn invitation(
        &self,
        from: &mut SqliteConnection,
        hash: SecretHash,
    ) -> Result<Option<StoredInvitation>> {
        let found = sqlx::query("select * from oauth_invitations where hash = ?")
            .bind(hash.as_bytes())
            .fetch_optional(from)
            .await?;
        let Some(row) = found else { return Ok(None) };
        let agent = self.agent(&row)?.ok_or(sqlx::Error::RowNotFound)?;
        let (id, expires) = (row.try_get("id")?, unsigned(&row, "expires")?);
        Ok(Some(StoredInvitation { id, agent, expires, used: row.try_get("used")? }))
    }

    pub(crate) async fn declared_invitation(
        &self,
        from: &mut SqliteConnection,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Option<StoredDeclaration>> {
        let found = sqlx::query("select * from oauth_invitations where tenant = ? and id = ?")
            .bind(tenant.as_str())
            .bind(id)
            .fetch_optional(from)
            .await?;
        let Some(row) = found else { return Ok(None) };
        let agent = self.agent(&row)?.ok_or(sqlx::Error::RowNotFound)?;
        let hash: Vec<u8> = row.try_get("hash")?;
        let hash = SecretHash::from_bytes(hash.as_slice().try_into().map_err(decode)?);
        Ok(Some(StoredDeclaration { agent, hash, expires: unsigned(&row, "expires")? }))
    }
}

fn view(row: &SqliteRow) -> Result<InvitationView> {
    let agent: String = row.try_get("agent")?;
    Ok(InvitationView {
        id: row.try_get("id")?,
        agent: agent.parse().map_err(decode)?,
        expires: unsigned(row, "expires")?,
        used: row.try_get("used")?,
    })
}

pub(crate) async fn insert(
    to: &mut SqliteConnection,
    id: &str,
    hash: SecretHash,
    agent: &Did,
    expires: UnixSeconds,
) -> Result {
    sqlx::query("insert into oauth_invitations (id, hash, tenant, agent, expires) values (?, ?, ?, ?, ?)")
        .bind(id)
        .bind(hash.as_bytes())
        .bind(agent.tenant().as_str())
        .bind(agent.name())
        .bind(integer(expires))
        .execute(to)
        .await
        .map(|_| ())
}

/// Changes when the invitation expires. An account that was created with it remains.
pub(crate) async fn set_expiry(
    to: &mut SqliteConnection,
    tenant: &TenantId,
    id: &str,
    expires: UnixSeconds,
) -> Result {
    sqlx::query("update oauth_invitations set expires = ? where tenant = ? and id = ?")
        .bind(integer(expires))
        .bind(tenant.as_str())
        .bind(id)
        .execute(to)
        .await
        .map(|_| ())
}

/// The number of a tenant's invitations, used ones included.
pub(crate) async fn count(from: &mut SqliteConnection, tenant: &TenantId) -> Result<u64> {
    let row = sqlx::query("select count(*) as invitations from oauth_invitations where tenant = ?")
        .bind(tenant.as_str())
        .fetch_one(from)
        .await?;
    unsigned(&row, "invitations")
}

pub(crate) async fn mark_used(
    to: &mut SqliteConnection,
    invitation: &StoredInvitation,
    account: &str,
) -> Result {
    sqlx::query("update oauth_invitations set used = 1, account = ? where tenant = ? and id = ?")
        .bind(account)
        .bind(invitation.agent.tenant().as_str())
        .bind(&invitation.id)
        .execute(to)
        .await
        .map(|_| ())
}

/// Deletes an invitation and the account that was created with it. Returns whether there was one.
pub(crate) async fn delete(to: &mut SqliteConnection, tenant: &TenantId, id: &str) -> Result<bool> {
    let found = sqlx::query("delete from oauth_invitations where tenant = ? and id = ? returning account")
        .bind(tenant.as_str())
        .bind(id)
        .fetch_optional(&mut *to)
        .await?;
    let Some(row) = found else { return Ok(false) };
    if let Some(account) = row.try_get::<Option<String>, _>("account")? {
        super::accounts::delete(to, &account).await?;
    }
    Ok(true)
}
