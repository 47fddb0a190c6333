//! Declared invitations: the admin chooses id and code, and declares them as often as it likes.

use protocol::UnixSeconds;
use protocol::admin::MAX_INVITATION_TTL_SECONDS;
use protocol::did::TenantId;
use sqlx::SqliteConnection;

use super::invitation_error::{INVITATIONS_PER_TENANT_MAX, InvitationError};
use crate::store::database::Database;
use crate::store::invitations::{self, StoredDeclaration};

/// The longest DNS label.
const ID_CHARS_MAX: usize = 63;

/// What a declaration changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeclarationChange {
    Nothing,
    /// The expiry. An account that was created with the invitation remains.
    Expiry,
    /// There is no invitation with this id yet.
    Insert,
    /// The invitation is for another agent or has another code: the old one is deleted with its
    /// account.
    Replace,
}

/// Stores a declaration, if it differs from the stored one.
pub(super) async fn store(
    store: &Database,
    tenant: &TenantId,
    id: &str,
    wanted: &StoredDeclaration,
    now: UnixSeconds,
) -> Result<(), InvitationError> {
    let mut transaction = store.begin().await?;
    let before = store.declared_invitation(&mut transaction, tenant, id).await?;
    let change = decide(before.as_ref(), wanted, now)?;
    if matches!(change, DeclarationChange::Insert | DeclarationChange::Replace) {
        let holder = store.invitation(&mut transaction, wanted.hash).await?;
        check_code_is_free(holder.map(|it| (it.agent.tenant(), it.id)), tenant, id)?;
    }
    apply(&mut transaction, (tenant, id), change, wanted).await?;
    transaction.commit().await?;
    if change != DeclarationChange::Nothing {
        let StoredDeclaration { agent, expires, .. } = wanted;
        tracing::info!(target: "audit", invitation = id, %agent, expires, ?change, "declared an invitation");
    }
    Ok(())
}

/// Refuses another invitation for a tenant that has as many as it may have.
pub(super) async fn check_quota(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
) -> Result<(), InvitationError> {
    let full = invitations::count(connection, tenant).await? >= INVITATIONS_PER_TENANT_MAX;
    if full { Err(InvitationError::QuotaExceeded) } else { Ok(()) }
}

fn decide(
    before: Option<&StoredDeclaration>,
    wanted: &StoredDeclaration,
    now: UnixSeconds,
) -> Result<DeclarationChange, InvitationError> {
    let kept = before.is_some_and(|before| before.expires == wanted.expires);
    if !kept && wanted.expires > now.saturating_add(MAX_INVITATION_TTL_SECONDS) {
        return Err(InvitationError::SetNotAfter);
    }
    Ok(match before {
        None => DeclarationChange::Insert,
        Some(before) if before.agent != wanted.agent || before.hash != wanted.hash => {
            DeclarationChange::Replace
        }
        Some(_) if kept => DeclarationChange::Nothing,
        Some(_) => DeclarationChange::Expiry,
    })
}

async fn apply(
    to: &mut SqliteConnection,
    (tenant, id): (&TenantId, &str),
    change: DeclarationChange,
    wanted: &StoredDeclaration,
) -> Result<(), InvitationError> {
    match change {
        DeclarationChange::Nothing => return Ok(()),
        DeclarationChange::Expiry => invitations::set_expiry(to, tenant, id, wanted.expires).await?,
        DeclarationChange::Insert => {
            check_quota(to, tenant).await?;
            invitations::insert(to, id, wanted.hash, &wanted.agent, wanted.expires).await?;
        }
        DeclarationChange::Replace => {
            invitations::delete(to, tenant, id).await?;
            invitations::insert(to, id, wanted.hash, &wanted.agent, wanted.expires).await?;
        }
    }
    Ok(())
}

/// Refuses a code that belongs to another invitation.
fn check_code_is_free(
    holder: Option<(TenantId, String)>,
    tenant: &TenantId,
    id: &str,
) -> Result<(), InvitationError> {
    let taken = holder.is_some_and(|(its_tenant, its_id)| its_tenant != *tenant || its_id != id);
    if taken { Err(InvitationError::SetCode) } else { Ok(()) }
}

/// An id must be a DNS label. Generated ids have an underscore, so the two kinds never collide.
pub(super) fn check_id(id: &str) -> Result<(), InvitationError> {
    let label = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let ends = id.starts_with('-') || id.ends_with('-');
    if label && !ends && (1..=ID_CHARS_MAX).contains(&id.len()) {
        Ok(())
    } else {
        Err(InvitationError::SetId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretHash;

    const NOW: UnixSeconds = 1_000_000;

    fn declared(agent: &str, code: &str, expires: UnixSeconds) -> StoredDeclaration {
        let agent = format!("did:wba:example.com:agent:{agent}").parse().unwrap();
        StoredDeclaration { agent, hash: SecretHash::of(code), expires }
    }

    #[test]
    fn only_another_code_or_agent_replaces_it() {
        let before = declared("alice", "a", NOW + 10);
        for (wanted, change) in [
            (before.clone(), DeclarationChange::Nothing),
            (declared("alice", "a", NOW + 20), DeclarationChange::Expiry),
            (declared("alice", "b", NOW + 10), DeclarationChange::Replace),
            (declared("bob", "a", NOW + 10), DeclarationChange::Replace),
        ] {
            assert_eq!(decide(Some(&before), &wanted, NOW).unwrap(), change);
            assert_eq!(decide(None, &wanted, NOW).unwrap(), DeclarationChange::Insert);
        }
    }

    #[test]
    fn a_declared_expiry_is_limited_unless_it_is_unchanged() {
        let at = |expires| declared("alice", "a", expires);
        let last = NOW + MAX_INVITATION_TTL_SECONDS;
        assert_eq!(decide(None, &at(last), NOW).unwrap(), DeclarationChange::Insert);
        let refused = decide(None, &at(last + 1), NOW).unwrap_err();
        assert!(matches!(refused, InvitationError::SetNotAfter));
        assert!(matches!(decide(Some(&at(last)), &at(u64::MAX), NOW), Err(InvitationError::SetNotAfter)));
        // A clock that was set back does not make a declaration wrong that was right.
        assert_eq!(decide(Some(&at(last)), &at(last), 0).unwrap(), DeclarationChange::Nothing);
        assert_eq!(decide(None, &at(1), NOW).unwrap(), DeclarationChange::Insert);
    }

    #[test]
    fn ids_are_dns_labels_and_so_never_those_that_the_relay_makes() {
        let longest = "x".repeat(ID_CHARS_MAX);
        for good in ["a", "team-1", "0", longest.as_str()] {
            check_id(good).unwrap();
        }
        let longer = "x".repeat(ID_CHARS_MAX + 1);
        for bad in ["", "i_x", "A", "-a", "a-", "a.b", "ä", longer.as_str()] {
            assert!(matches!(check_id(bad), Err(InvitationError::SetId)), "{bad}");
        }
        let made = crate::secret::random_id("i_", &mut rand::rng());
        assert!(check_id(&made).is_err(), "{made}");
    }
}
