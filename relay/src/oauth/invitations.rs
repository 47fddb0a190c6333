//! Invitations: made and taken back by an admin, used once by whoever has the code.

use protocol::admin::{
    DEFAULT_INVITATION_TTL_SECONDS, Invitation, InvitationSpec, InvitationView, MAX_INVITATION_TTL_SECONDS,
    Page,
};
use protocol::did::{AgentName, TenantId};
use protocol::{Did, Reason, UnixSeconds};
use sqlx::SqliteConnection;

use super::account::{Account, Barred, INVITATION_ISSUER};
use super::error::{ErrorCode, OauthError};
use super::secret::{Secret, SecretHash, random_id};
use super::target::Target;
use super::{Oauth, chain};
use crate::store::oauth::accounts;
use crate::store::oauth::invitations::{self, Invited};

mod declare;

/// Invitations of one tenant, used ones included: each of those is a person with access.
const INVITATIONS_PER_TENANT_MAX: u64 = 1000;

/// Why an admin's wish about invitations was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvitationError {
    #[error("the tenant or its agent does not exist")]
    FindAgent,
    #[error("expiresInSeconds is 1 to {MAX_INVITATION_TTL_SECONDS}")]
    SetExpiry,
    #[error(
        "the id of a declared invitation is a DNS label: 1 to 63 of a-z, 0-9 and -, with no - at its ends"
    )]
    SetId,
    #[error("notAfter is at most {MAX_INVITATION_TTL_SECONDS} seconds from now")]
    SetNotAfter,
    #[error("another invitation has this code")]
    SetCode,
    #[error("the tenant has {INVITATIONS_PER_TENANT_MAX} invitations; delete some")]
    MakeRoom,
    #[error("the invitations could not be stored")]
    Store(#[from] sqlx::Error),
}

impl InvitationError {
    pub(crate) const fn reason(&self) -> Reason {
        match self {
            Self::FindAgent => Reason::NotFound,
            Self::SetExpiry | Self::SetId | Self::SetNotAfter | Self::SetCode => Reason::InvalidParams,
            Self::MakeRoom => Reason::QuotaExceeded,
            Self::Store(_) => Reason::StorageUnavailable,
        }
    }
}

impl Oauth {
    pub(crate) async fn invite(
        &self,
        tenant: &TenantId,
        spec: InvitationSpec,
    ) -> Result<Invitation, InvitationError> {
        let life = spec.expires_in_seconds.unwrap_or(DEFAULT_INVITATION_TTL_SECONDS);
        if !(1..=MAX_INVITATION_TTL_SECONDS).contains(&life) {
            return Err(InvitationError::SetExpiry);
        }
        let agent = self.invited_agent(tenant, &spec.agent)?;
        let secret = Secret::generate("m2inv_", &mut rand::rng());
        let (id, expires) = (random_id("i_", &mut rand::rng()), self.now().saturating_add(life));
        let mut transaction = self.store.begin().await?;
        check_room(&mut transaction, tenant).await?;
        invitations::insert(&mut transaction, &id, secret.hash(), &agent, expires).await?;
        transaction.commit().await?;
        tracing::info!(target: "audit", invitation = id, %agent, expires, "invited somebody to an agent");
        Ok(Invitation { id, code: secret.reveal().to_owned(), agent: spec.agent, expires })
    }

    pub(crate) async fn invitation_page(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<InvitationView>, InvitationError> {
        if !self.directory.has_tenant(tenant) {
            return Err(InvitationError::FindAgent);
        }
        Ok(self.store.invitation_page(tenant, after, limit).await?)
    }

    /// Takes away the account that was made with it, too.
    pub(crate) async fn withdraw(&self, tenant: &TenantId, id: &str) -> Result<(), InvitationError> {
        let mut transaction = self.store.begin().await?;
        let found = invitations::delete(&mut transaction, tenant, id).await?;
        transaction.commit().await?;
        if found {
            tracing::info!(target: "audit", invitation = id, %tenant, "took back an invitation");
        }
        Ok(())
    }

    fn invited_agent(&self, tenant: &TenantId, name: &AgentName) -> Result<Did, InvitationError> {
        let agent = self.directory.did(tenant, name);
        if self.directory.agent(&agent).is_some() { Ok(agent) } else { Err(InvitationError::FindAgent) }
    }

    /// Makes an account of an invitation to the target, or through the gateway of any that leads there.
    pub(super) async fn redeem(&self, code: &str, target: &Target) -> Result<Account, OauthError> {
        let mut transaction = self.store.begin().await?;
        let found = self.store.invitation(&mut transaction, SecretHash::of(code.trim())).await?;
        let invited = judge(found, |agent| self.leads_to(target, agent), self.now())?;
        let account = Account {
            id: random_id("acct_", &mut rand::rng()),
            issuer: INVITATION_ISSUER.into(),
            subject: format!("{}/{}", invited.agent.tenant(), invited.id),
            email: None,
            agent: Some(invited.agent.clone()),
        };
        accounts::insert(&mut transaction, &account).await?;
        invitations::mark_used(&mut transaction, &invited, &account.id).await?;
        transaction.commit().await?;
        tracing::info!(target: "audit", invitation = invited.id, account = account.id, "an invitation was used");
        Ok(account)
    }
}

impl From<InvitationError> for crate::problem::ProblemResponse {
    fn from(error: InvitationError) -> Self {
        if let InvitationError::Store(cause) = &error {
            tracing::error!(error = %chain(cause), "failed to store invitations");
        }
        Self::new(error.reason(), error.to_string())
    }
}

async fn check_room(from: &mut SqliteConnection, tenant: &TenantId) -> Result<(), InvitationError> {
    let full = invitations::count(from, tenant).await? >= INVITATIONS_PER_TENANT_MAX;
    if full { Err(InvitationError::MakeRoom) } else { Ok(()) }
}

/// One for another agent looks like none: whoever guesses learns nothing. Nothing is used up that would lead nowhere.
fn judge(
    found: Option<Invited>,
    leads_to: impl FnOnce(&Did) -> Result<(), Barred>,
    now: UnixSeconds,
) -> Result<Invited, OauthError> {
    let refused = |reason, what: &str| Err(OauthError::new(ErrorCode::AccessDenied, reason, what));
    let unknown = || refused("invitation_unknown", "This is not an invitation to this agent.");
    let Some(invited) = found else { return unknown() };
    let led = leads_to(&invited.agent);
    if led == Err(Barred::NotInvited) {
        return unknown();
    }
    if invited.used {
        return refused("invitation_used", "This invitation was used before. Ask for a new one.");
    }
    if invited.expires <= now {
        return refused("invitation_expired", "This invitation has expired. Ask for a new one.");
    }
    match led {
        Ok(()) => Ok(invited),
        Err(Barred::Suspended) => refused("suspended", "The agent of this invitation is suspended."),
        Err(barred) => {
            refused(barred.reason().as_str(), "The agent of this invitation is not reached at this address.")
        }
    }
}
