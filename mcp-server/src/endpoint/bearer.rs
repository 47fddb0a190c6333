//! Authenticates a request by its bearer token: the agent's own API key, or an access token of the
//! authorization server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::http::HeaderMap;
use protocol::api_key::KeyHash;
use protocol::introspection::Inactive;

use super::accepted_keys::AcceptedKeys;
use super::issuer_keys::{IssuerKeys, KeyError};
use super::token::{self, ExpectedClaims};
use crate::caller::Caller;
use crate::clock;
use crate::http::bearer_token::bearer_token;
use crate::http::rejection::HttpRejection;
use crate::http::unverified_token::UnverifiedToken;

/// Cheap to clone; clones share the keys.
#[derive(Clone)]
pub struct BearerAuth {
    keys: Arc<Mutex<AcceptedKeys>>,
    tokens: Option<Arc<TokenVerifier>>,
}

/// Verifies access tokens of one authorization server.
pub struct TokenVerifier {
    pub expected: ExpectedClaims,
    /// URL of the resource metadata.
    pub metadata_url: String,
    /// The same for clients that use the relay's gateway.
    pub gateway_metadata_url: Option<String>,
    pub issuer_keys: IssuerKeys,
}

impl BearerAuth {
    /// Without `tokens`, only API keys are accepted.
    #[must_use]
    pub fn new(key: KeyHash, tokens: Option<TokenVerifier>) -> Self {
        Self { keys: Arc::new(Mutex::new(AcceptedKeys::new(key))), tokens: tokens.map(Arc::new) }
    }

    pub(super) fn rotate(&self, key: KeyHash) -> bool {
        self.keys().rotate(key, Instant::now())
    }

    /// URL of the document that tells clients how to sign in; `None` without an authorization
    /// server.
    pub(super) fn metadata_url(&self, via_gateway: bool) -> Option<&str> {
        let tokens = self.tokens.as_deref()?;
        match &tokens.gateway_metadata_url {
            Some(url) if via_gateway => Some(url),
            _ => Some(&tokens.metadata_url),
        }
    }

    /// # Errors
    /// The request has no credential, or one that is not accepted here.
    pub(super) async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, HttpRejection> {
        let presented = bearer_token(headers).ok_or(HttpRejection::KeyMissing)?;
        if self.keys().accept(presented, Instant::now()) {
            return Ok(Caller::AGENT);
        }
        // A token contains dots, and an API key does not.
        match &self.tokens {
            Some(tokens) if presented.contains('.') => tokens.verify(presented).await,
            _ => Err(HttpRejection::Credential(Inactive::KeyUnknown)),
        }
    }

    // A panic under the lock leaves consistent keys behind.
    fn keys(&self) -> MutexGuard<'_, AcceptedKeys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenVerifier {
    async fn verify(&self, token: &str) -> Result<Caller, HttpRejection> {
        let parsed = UnverifiedToken::parse(token).map_err(HttpRejection::Credential)?;
        let key = self.issuer_keys.key(&parsed.kid).await.map_err(|error| match error {
            KeyError::Unknown => HttpRejection::Credential(Inactive::TokenKeyUnknown),
            KeyError::Unreachable => HttpRejection::IssuerUnreachable,
        })?;
        token::verify(&parsed, &key, &self.expected, clock::now()).map_err(HttpRejection::Credential)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::AUTHORIZATION;

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        headers
    }

    #[tokio::test]
    async fn each_refusal_has_its_reason() {
        let bearer = BearerAuth::new(KeyHash::sha256("mine"), None);
        for sent in ["Bearer mine", "bearer  mine"] {
            assert_eq!(bearer.authenticate(&headers(&[sent])).await, Ok(Caller::AGENT));
        }
        for (sent, rejection) in [
            (&[][..], HttpRejection::KeyMissing),
            (&["mine"], HttpRejection::KeyMissing),
            (&["Basic mine"], HttpRejection::KeyMissing),
            (&["Bearer mine", "Bearer mine"], HttpRejection::KeyMissing),
            (&["Bearer yours"], HttpRejection::Credential(Inactive::KeyUnknown)),
            (&["Bearer a.b.c"], HttpRejection::Credential(Inactive::KeyUnknown)),
        ] {
            assert_eq!(bearer.authenticate(&headers(sent)).await, Err(rejection), "{sent:?}");
        }
    }
}
