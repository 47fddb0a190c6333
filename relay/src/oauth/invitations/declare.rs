//! Invitations whose code the admin made and keeps: declared under an id of the admin's, as often as it likes.

use protocol::UnixSeconds;
use protocol::admin::{DeclaredInvitation, MAX_INVITATION_TTL_SECONDS};
use protocol::did::TenantId;
use sqlx::SqliteConnection;

use super::{InvitationError, Oauth, check_room};
use crate::oauth::secret::SecretHash;
use crate::store::oauth::invitations::{self, Declared};

/// Characters of a DNS label.
const ID_CHARS_MAX: usize = 63;

/// What a declaration changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    /// Until when it can be used; whoever used it keeps the account.
    Expiry,
    /// There was none.
    Insert,
    /// It is for another agent, or has another code: the old one goes with its account.
    Replace,
}

impl Oauth {
    /// The same declaration again changes nothing, also once somebody used the invitation.
    pub(crate) async fn declare_invitation(
        &self,
        tenant: &TenantId,
        id: &str,
        spec: &DeclaredInvitation,
    ) -> Result<(), InvitationError> {
        check_id(id)?;
        let agent = self.invited_agent(tenant, &spec.agent)?;
        let wanted = Declared {
            agent,
            hash: SecretHash::from_bytes(*spec.sha256.as_bytes()),
            expires: spec.not_after,
        };
        let mut transaction = self.store.begin().await?;
        let before = self.store.declared_invitation(&mut transaction, tenant, id).await?;
        let change = decide(before.as_ref(), &wanted, self.now())?;
        if matches!(change, Change::Insert | Change::Replace) {
            let holder = self.store.invitation(&mut transaction, wanted.hash).await?;
            check_code_is_free(holder.map(|it| (it.agent.tenant(), it.id)), tenant, id)?;
        }
        apply(&mut transaction, (tenant, id), change, &wanted).await?;
        transaction.commit().await?;
        if change != Change::Nothing {
            let Declared { agent, expires, .. } = wanted;
            tracing::info!(target: "audit", invitation = id, %agent, expires, ?change, "declared an invitation");
        }
        Ok(())
    }
}

fn decide(before: Option<&Declared>, wanted: &Declared, now: UnixSeconds) -> Result<Change, InvitationError> {
    let kept = before.is_some_and(|before| before.expires == wanted.expires);
    if !kept && wanted.expires > now.saturating_add(MAX_INVITATION_TTL_SECONDS) {
        return Err(InvitationError::SetNotAfter);
    }
    Ok(match before {
        None => Change::Insert,
        Some(before) if before.agent != wanted.agent || before.hash != wanted.hash => Change::Replace,
        Some(_) if kept => Change::Nothing,
        Some(_) => Change::Expiry,
    })
}

async fn apply(
    to: &mut SqliteConnection,
    (tenant, id): (&TenantId, &str),
    change: Change,
    wanted: &Declared,
) -> Result<(), InvitationError> {
    match change {
        Change::Nothing => return Ok(()),
        Change::Expiry => invitations::set_expiry(to, tenant, id, wanted.expires).await?,
        Change::Insert => {
            check_room(to, tenant).await?;
            invitations::insert(to, id, wanted.hash, &wanted.agent, wanted.expires).await?;
        }
        Change::Replace => {
            invitations::delete(to, tenant, id).await?;
            invitations::insert(to, id, wanted.hash, &wanted.agent, wanted.expires).await?;
        }
    }
    Ok(())
}

/// A code leads to one invitation.
fn check_code_is_free(
    holder: Option<(TenantId, String)>,
    tenant: &TenantId,
    id: &str,
) -> Result<(), InvitationError> {
    let taken = holder.is_some_and(|(its_tenant, its_id)| its_tenant != *tenant || its_id != id);
    if taken { Err(InvitationError::SetCode) } else { Ok(()) }
}

/// The ids that `POST` makes hold an underscore, so none of them is a label.
fn check_id(id: &str) -> Result<(), InvitationError> {
    let plain = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let ends = id.starts_with('-') || id.ends_with('-');
    if plain && !ends && (1..=ID_CHARS_MAX).contains(&id.len()) {
        Ok(())
    } else {
        Err(InvitationError::SetId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = 1_000_000;

    fn declared(agent: &str, code: &str, expires: UnixSeconds) -> Declared {
        let agent = format!("did:wba:example.com:agent:{agent}").parse().unwrap();
        Declared { agent, hash: SecretHash::of(code), expires }
    }

    #[test]
    fn only_another_code_or_agent_replaces_it() {
        let before = declared("alice", "a", NOW + 10);
        for (wanted, change) in [
            (before.clone(), Change::Nothing),
            (declared("alice", "a", NOW + 20), Change::Expiry),
            (declared("alice", "b", NOW + 10), Change::Replace),
            (declared("bob", "a", NOW + 10), Change::Replace),
        ] {
            assert_eq!(decide(Some(&before), &wanted, NOW).unwrap(), change);
            assert_eq!(decide(None, &wanted, NOW).unwrap(), Change::Insert);
        }
    }

    #[test]
    fn the_end_is_near_unless_it_is_what_it_was() {
        let at = |expires| declared("alice", "a", expires);
        let last = NOW + MAX_INVITATION_TTL_SECONDS;
        assert_eq!(decide(None, &at(last), NOW).unwrap(), Change::Insert);
        let refused = decide(None, &at(last + 1), NOW).unwrap_err();
        assert!(matches!(refused, InvitationError::SetNotAfter));
        assert!(matches!(decide(Some(&at(last)), &at(u64::MAX), NOW), Err(InvitationError::SetNotAfter)));
        // A clock that was set back does not make a declaration wrong that was right.
        assert_eq!(decide(Some(&at(last)), &at(last), 0).unwrap(), Change::Nothing);
        assert_eq!(decide(None, &at(1), NOW).unwrap(), Change::Insert);
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
        let made = crate::oauth::secret::random_id("i_", &mut rand::rng());
        assert!(check_id(&made).is_err(), "{made}");
    }
}
