//! Issues and verifies the access tokens of this issuer.

use std::sync::Arc;

use protocol::UnixSeconds;
use protocol::access_token::Claims;
use protocol::url::Issuer;

use super::access_token::{self, TokenError};
use super::signing_key::PublicKeySet;
use super::signing_keys::SigningKeys;
use crate::error::{ErrorCode, OauthError};
use crate::grants::grant::{ACCESS_TOKEN_TTL_SECONDS, Grant};
use crate::people::account::Account;
use crate::secret::random_id;

/// The access tokens of this issuer.
pub(crate) struct AccessTokens {
    issuer: Issuer,
    keys: Arc<SigningKeys>,
}

impl AccessTokens {
    pub(crate) const fn new(issuer: Issuer, keys: Arc<SigningKeys>) -> Self {
        Self { issuer, keys }
    }

    /// Issues a token under a grant. `scope` may be narrower than the grant's.
    pub(crate) fn issue(
        &self,
        grant: &Grant,
        account: &Account,
        scope: &str,
        now: UnixSeconds,
    ) -> Result<String, OauthError> {
        let claims = Claims {
            iss: self.issuer.to_string(),
            aud: grant.resource.clone(),
            sub: account.id.clone(),
            client_id: grant.client_id.clone(),
            scope: scope.to_owned(),
            agent: grant.agent.clone(),
            jti: access_token::jti(&grant.id, &random_id("", &mut rand::rng())),
            iat: now,
            exp: now.saturating_add(ACCESS_TOKEN_TTL_SECONDS),
        };
        let keys = self.keys.current();
        let no_key = || OauthError::new(ErrorCode::ServerError, "no_key", "the relay has no signing key");
        access_token::sign(&claims, keys.active().ok_or_else(no_key)?)
            .map_err(|error| OauthError::internal("sign", &error))
    }

    /// The claims of a token of this issuer that has not expired.
    pub(crate) fn verify(&self, token: &str, now: UnixSeconds) -> Result<Claims, TokenError> {
        access_token::verify(token, &self.keys.current(), self.issuer.as_str(), now)
    }

    /// The public keys that resource servers verify tokens with.
    pub(crate) fn public_keys(&self) -> PublicKeySet {
        self.keys.current().public()
    }
}
