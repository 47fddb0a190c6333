//! Creates, exchanges, refreshes and revokes grants. Every decision and its writes are one
//! transaction, so that of two requests with one code the second finds it used.

use std::sync::Arc;

use protocol::{Did, UnixSeconds};
use sqlx::{Sqlite, Transaction};

use super::exchange::{
    CodeExchange, ExchangeRefused, RefreshExchange, RefreshUse, check_code, check_refresh,
};
use super::grant::{CODE_TTL_SECONDS, GRANT_TTL_SECONDS, Grant, REFRESH_TOKEN_TTL_SECONDS, StoredCode};
use super::grant_validity::{GrantInvalid, check_grant};
use super::pkce::Challenge;
use crate::error::{ErrorCode, OauthError};
use crate::people::account::Account;
use crate::relay::Relay;
use crate::secret::{Secret, SecretHash, random_id};
use crate::store::database::Database;
use crate::store::{clients, codes, grants, refresh_tokens};

/// The most grants of one account; beyond it, the oldest is deleted. Web clients register a new
/// client for each connection, so people collect some.
const GRANTS_PER_ACCOUNT_MAX: u32 = 50;
/// The most replaced refresh tokens that are kept of a grant to detect their reuse: half a day at
/// one refresh every ten minutes.
const REPLACED_TOKENS_MAX: u32 = 72;

/// All grants.
pub(crate) struct Grants {
    store: Database,
    relay: Arc<dyn Relay>,
    gateway_url: Option<String>,
}

/// What a person allowed a client in answer to an authorization request.
pub(crate) struct NewGrant {
    pub(crate) account: String,
    pub(crate) client_id: String,
    pub(crate) agent: Did,
    pub(crate) resource: String,
    pub(crate) gateway: bool,
    pub(crate) scope: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Challenge,
}

/// A code or refresh token that was exchanged.
pub(crate) struct Exchanged {
    pub(crate) grant: Grant,
    pub(crate) account: Account,
    /// The scope of the next access token.
    pub(crate) scope: String,
    /// The next refresh token.
    pub(crate) refresh_token: Secret,
}

impl Grants {
    pub(crate) const fn new(store: Database, relay: Arc<dyn Relay>, gateway_url: Option<String>) -> Self {
        Self { store, relay, gateway_url }
    }

    /// Deletes the grants for a gateway that was removed or has another URL now, even if it comes
    /// back later.
    pub(crate) async fn delete_former_gateway_grants(&self) -> Result<(), sqlx::Error> {
        let deleted = self.store.delete_other_gateway_grants(self.gateway_url.as_deref()).await?;
        if deleted > 0 {
            tracing::warn!(target: "audit", deleted, "the MCP gateway was removed or has another URL: revoked its grants");
        }
        Ok(())
    }

    /// Stores a grant and returns its authorization code.
    pub(crate) async fn create(&self, new: NewGrant, now: UnixSeconds) -> Result<Secret, OauthError> {
        let secret = Secret::generate("m2c_", &mut rand::rng());
        let code = StoredCode {
            grant: Grant {
                id: random_id("g_", &mut rand::rng()),
                account: new.account,
                client_id: new.client_id,
                agent: new.agent,
                resource: new.resource,
                gateway: new.gateway,
                scope: new.scope,
                expires: now.saturating_add(GRANT_TTL_SECONDS),
            },
            redirect_uri: new.redirect_uri,
            challenge: new.challenge,
            expires: now.saturating_add(CODE_TTL_SECONDS),
            used: false,
        };
        let Grant { id, account, client_id, agent, scope, .. } = &code.grant;
        let mut transaction = self.store.begin().await?;
        grants::insert(&mut transaction, &code.grant, now).await?;
        grants::delete_oldest(&mut transaction, &code.grant, GRANTS_PER_ACCOUNT_MAX - 1).await?;
        codes::insert(&mut transaction, secret.hash(), &code).await?;
        clients::mark_used(&mut transaction, client_id, now).await?;
        transaction.commit().await?;
        tracing::info!(target: "audit", grant = id, account, client = client_id, %agent, scope, "a person allowed a client");
        Ok(secret)
    }

    /// Exchanges an authorization code.
    pub(crate) async fn exchange_code(
        &self,
        code: SecretHash,
        presented: CodeExchange<'_>,
        now: UnixSeconds,
    ) -> Result<Exchanged, OauthError> {
        let mut transaction = self.store.begin().await?;
        let stored = self.store.code(&mut transaction, code).await?;
        let stored = stored.ok_or_else(|| invalid_grant("code_unknown", "no such code"))?;
        if let Err(refused) = check_code(&stored, presented, now) {
            return Err(refuse(transaction, &stored.grant, refused).await?);
        }
        let account = self.valid_account(&mut transaction, &stored.grant).await?;
        codes::mark_used(&mut transaction, code).await?;
        let refresh_token = issue_refresh_token(&mut transaction, &stored.grant, now).await?;
        transaction.commit().await?;
        let scope = stored.grant.scope.clone();
        Ok(Exchanged { grant: stored.grant, account, scope, refresh_token })
    }

    /// Exchanges a refresh token.
    pub(crate) async fn refresh(
        &self,
        token: SecretHash,
        presented: RefreshExchange<'_>,
        now: UnixSeconds,
    ) -> Result<Exchanged, OauthError> {
        let mut transaction = self.store.begin().await?;
        let stored = self.store.refresh_token(&mut transaction, token).await?;
        let stored = stored.ok_or_else(|| invalid_grant("refresh_unknown", "no such refresh token"))?;
        let (token_use, scope) = match check_refresh(&stored, presented, now) {
            Ok(checked) => checked,
            Err(refused) => return Err(refuse(transaction, &stored.grant, refused).await?),
        };
        let account = self.valid_account(&mut transaction, &stored.grant).await?;
        match token_use {
            RefreshUse::First => refresh_tokens::mark_replaced(&mut transaction, token, now).await?,
            RefreshUse::Retry => refresh_tokens::mark_retried(&mut transaction, token).await?,
        }
        let grant_id = &stored.grant.id;
        refresh_tokens::delete_oldest_replaced(&mut transaction, grant_id, REPLACED_TOKENS_MAX).await?;
        let refresh_token = issue_refresh_token(&mut transaction, &stored.grant, now).await?;
        transaction.commit().await?;
        Ok(Exchanged { grant: stored.grant, account, scope, refresh_token })
    }

    /// A grant and its account. `None`: it was revoked or has expired.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<(Grant, Account)>, OauthError> {
        Ok(self.store.grant_and_account(id).await?)
    }

    /// The id of the grant of a refresh token.
    pub(crate) async fn id_of_refresh_token(&self, token: SecretHash) -> Result<Option<String>, OauthError> {
        let mut transaction = self.store.begin().await?;
        let found = self.store.refresh_token(&mut transaction, token).await?;
        Ok(found.map(|token| token.grant.id))
    }

    /// Revokes a grant, if it was given to this client.
    pub(crate) async fn revoke(&self, id: &str, client_id: &str) -> Result<(), OauthError> {
        if self.store.revoke_grant(id, client_id).await? {
            tracing::info!(target: "audit", grant = id, client = client_id, "a client revoked its grant");
        }
        Ok(())
    }

    /// Whether a grant is still valid against the relay's current state.
    pub(crate) fn check(&self, grant: &Grant, account: &Account) -> Result<(), GrantInvalid> {
        let endpoint = self.relay.endpoint_of(&grant.agent);
        check_grant(grant, account, endpoint.as_ref(), self.gateway_url.as_deref())
    }

    /// The account of a grant, if the grant is still valid.
    async fn valid_account(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        grant: &Grant,
    ) -> Result<Account, OauthError> {
        let account = self.store.account_in(&mut *transaction, &grant.account).await?;
        let account = account.ok_or_else(|| invalid_grant("account_gone", "the account no longer exists"))?;
        self.check(grant, &account)
            .map_err(|invalid| invalid_grant(invalid.reason().as_str(), invalid.description()))?;
        Ok(account)
    }
}

async fn issue_refresh_token(
    transaction: &mut Transaction<'_, Sqlite>,
    grant: &Grant,
    now: UnixSeconds,
) -> Result<Secret, OauthError> {
    let token = Secret::generate("m2r_", &mut rand::rng());
    let expires = now.saturating_add(REFRESH_TOKEN_TTL_SECONDS).min(grant.expires);
    refresh_tokens::insert(&mut *transaction, token.hash(), &grant.id, expires).await?;
    Ok(token)
}

/// The error to send, after the grant was revoked if the refusal demands it.
async fn refuse(
    mut transaction: Transaction<'_, Sqlite>,
    grant: &Grant,
    refused: ExchangeRefused,
) -> Result<OauthError, OauthError> {
    if refused.revokes_grant {
        grants::delete(&mut transaction, &grant.id).await?;
        transaction.commit().await?;
        let (reason, Grant { id, account, client_id, .. }) = (refused.error.reason, grant);
        tracing::warn!(target: "audit", reason, grant = id, account, client = client_id, "revoked a grant: {reason}");
    }
    Ok(refused.error)
}

fn invalid_grant(reason: &'static str, what: &str) -> OauthError {
    OauthError::new(ErrorCode::InvalidGrant, reason, what)
}
