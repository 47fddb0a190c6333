//! Invitations: an admin creates, declares and withdraws them, and a person redeems the code once
//! for an account.

use std::sync::Arc;

use protocol::admin::{
    DEFAULT_INVITATION_TTL_SECONDS, DeclaredInvitation, Invitation, InvitationSpec, InvitationView,
    MAX_INVITATION_TTL_SECONDS, Page,
};
use protocol::did::{AgentName, Domain, TenantId};
use protocol::introspection::Inactive;
use protocol::{Did, UnixSeconds};

use super::account::{AccessDenied, Account, INVITATION_ISSUER};
use super::declared_invitation::{self, check_quota};
use super::invitation_error::InvitationError;
use crate::error::{ErrorCode, OauthError};
use crate::relay::Relay;
use crate::secret::{Secret, SecretHash, random_id};
use crate::settings::Clock;
use crate::store::accounts;
use crate::store::database::Database;
use crate::store::invitations::{self, StoredDeclaration, StoredInvitation};

/// The invitations of all tenants. Clones are the same.
#[derive(Clone)]
pub struct Invitations {
    store: Database,
    relay: Arc<dyn Relay>,
    domain: Domain,
    clock: Clock,
}

impl Invitations {
    pub(crate) const fn new(store: Database, relay: Arc<dyn Relay>, domain: Domain, clock: Clock) -> Self {
        Self { store, relay, domain, clock }
    }

    /// Creates an invitation to an agent. Its code is returned once and stored as a hash.
    ///
    /// # Errors
    /// There is no such agent, the lifetime is out of range, or the tenant has too many
    /// invitations.
    pub async fn create(
        &self,
        tenant: &TenantId,
        spec: InvitationSpec,
    ) -> Result<Invitation, InvitationError> {
        let ttl = spec.expires_in_seconds.unwrap_or(DEFAULT_INVITATION_TTL_SECONDS);
        if !(1..=MAX_INVITATION_TTL_SECONDS).contains(&ttl) {
            return Err(InvitationError::SetExpiry);
        }
        let agent = self.find_agent(tenant, &spec.agent)?;
        let secret = Secret::generate("m2inv_", &mut rand::rng());
        let (id, expires) = (random_id("i_", &mut rand::rng()), (self.clock)().saturating_add(ttl));
        let mut transaction = self.store.begin().await?;
        check_quota(&mut transaction, tenant).await?;
        invitations::insert(&mut transaction, &id, secret.hash(), &agent, expires).await?;
        transaction.commit().await?;
        tracing::info!(target: "audit", invitation = id, %agent, expires, "created an invitation to an agent");
        Ok(Invitation { id, code: secret.reveal().to_owned(), agent: spec.agent, expires })
    }

    /// At most `limit` invitations of a tenant, starting after the id `after`, without their codes.
    ///
    /// # Errors
    /// There is no such tenant.
    pub async fn page(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<InvitationView>, InvitationError> {
        if !self.relay.has_tenant(tenant) {
            return Err(InvitationError::FindAgent);
        }
        Ok(self.store.invitation_page(tenant, after, limit).await?)
    }

    /// Creates or changes an invitation whose id and code the admin chose. The same declaration
    /// again changes nothing, even after the invitation was used.
    ///
    /// # Errors
    /// As [`Self::create`]; the id is malformed, or another invitation has the code.
    pub async fn declare(
        &self,
        tenant: &TenantId,
        id: &str,
        spec: &DeclaredInvitation,
    ) -> Result<(), InvitationError> {
        declared_invitation::check_id(id)?;
        let wanted = StoredDeclaration {
            agent: self.find_agent(tenant, &spec.agent)?,
            hash: SecretHash::from_bytes(*spec.sha256.as_bytes()),
            expires: spec.not_after,
        };
        declared_invitation::store(&self.store, tenant, id, &wanted, (self.clock)()).await
    }

    /// Deletes an invitation, together with the account that was created with it and all its
    /// grants.
    ///
    /// # Errors
    /// The database failed.
    pub async fn withdraw(&self, tenant: &TenantId, id: &str) -> Result<bool, InvitationError> {
        let mut transaction = self.store.begin().await?;
        let found = invitations::delete(&mut transaction, tenant, id).await?;
        transaction.commit().await?;
        if found {
            tracing::info!(target: "audit", invitation = id, %tenant, "withdrew an invitation");
        }
        Ok(found)
    }

    /// Creates an account with an invitation. `check_target` says whether its agent can be used at
    /// the endpoint that the client asks for.
    pub(crate) async fn redeem(
        &self,
        code: &str,
        check_target: impl FnOnce(&Did) -> Result<(), AccessDenied>,
    ) -> Result<Account, OauthError> {
        let mut transaction = self.store.begin().await?;
        let found = self.store.invitation(&mut transaction, SecretHash::of(code.trim())).await?;
        let invitation = check_redeemable(found, check_target, (self.clock)())?;
        let account = Account {
            id: random_id("acct_", &mut rand::rng()),
            issuer: INVITATION_ISSUER.into(),
            subject: format!("{}/{}", invitation.agent.tenant(), invitation.id),
            email: None,
            agent: Some(invitation.agent.clone()),
        };
        accounts::insert(&mut transaction, &account).await?;
        invitations::mark_used(&mut transaction, &invitation, &account.id).await?;
        transaction.commit().await?;
        let (id, account_id) = (&invitation.id, &account.id);
        tracing::info!(target: "audit", invitation = id, account = account_id, "an invitation was used");
        Ok(account)
    }

    fn find_agent(&self, tenant: &TenantId, name: &AgentName) -> Result<Did, InvitationError> {
        let agent = Did::new(&self.domain, tenant, name);
        if self.relay.has_agent(&agent) { Ok(agent) } else { Err(InvitationError::FindAgent) }
    }
}

impl std::fmt::Debug for Invitations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invitations").field("domain", &self.domain).finish_non_exhaustive()
    }
}

/// An invitation to another agent is answered like an unknown code, so that guessing reveals
/// nothing. An invitation that cannot be used here is not used up.
fn check_redeemable(
    found: Option<StoredInvitation>,
    check_target: impl FnOnce(&Did) -> Result<(), AccessDenied>,
    now: UnixSeconds,
) -> Result<StoredInvitation, OauthError> {
    let refused = |reason, what: &str| Err(OauthError::new(ErrorCode::AccessDenied, reason, what));
    let unknown = || refused("invitation_unknown", "This is not an invitation to this agent.");
    let Some(invitation) = found else { return unknown() };
    let target = check_target(&invitation.agent);
    if target == Err(AccessDenied::NotInvited) {
        return unknown();
    }
    if invitation.used {
        return refused("invitation_used", "This invitation was used before. Ask for a new one.");
    }
    if invitation.expires <= now {
        return refused("invitation_expired", "This invitation has expired. Ask for a new one.");
    }
    match target {
        Ok(()) => Ok(invitation),
        Err(AccessDenied::Suspended) => {
            refused(Inactive::Suspended.as_str(), "The agent of this invitation is suspended.")
        }
        Err(denied) => {
            let what = "The agent of this invitation is not available at this address.";
            refused(denied.reason().as_str(), what)
        }
    }
}
