//! The credential of a request: the agent's own API key, or an access token of the authorization server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use protocol::api_key::KeyHash;

use super::gate::Gate;
use super::issuer::{Issuer, KeyError};
use super::refused::Refused;
use super::token::{Expected, TokenError, Unverified};
use crate::caller::Caller;
use crate::clock;

/// Cheap to clone; clones share the keys.
#[derive(Clone)]
pub struct Bearer {
    gate: Arc<Mutex<Gate>>,
    tokens: Option<Arc<Tokens>>,
}

/// What access tokens are checked against.
pub struct Tokens {
    pub expected: Expected,
    /// Where the resource metadata is.
    pub metadata_url: String,
    /// The same for clients that come through the relay's gateway.
    pub gateway_metadata_url: Option<String>,
    pub issuer: Issuer,
}

impl Bearer {
    /// Without `tokens`, the API key alone opens.
    #[must_use]
    pub fn new(key: KeyHash, tokens: Option<Tokens>) -> Self {
        Self { gate: Arc::new(Mutex::new(Gate::new(key))), tokens: tokens.map(Arc::new) }
    }

    pub(super) fn rotate(&self, key: KeyHash) -> bool {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).rotate(key, Instant::now())
    }

    /// Where clients learn how to sign in; nothing when they cannot.
    pub(super) fn metadata_url(&self, through_gateway: bool) -> Option<&str> {
        let tokens = self.tokens.as_deref()?;
        match &tokens.gateway_metadata_url {
            Some(url) if through_gateway => Some(url),
            _ => Some(&tokens.metadata_url),
        }
    }

    /// # Errors
    /// No credential, or one that does not open this endpoint.
    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refused> {
        let presented = bearer(headers).ok_or(Refused::KeyMissing)?;
        if self.gate.lock().unwrap_or_else(PoisonError::into_inner).admits(presented, Instant::now()) {
            return Ok(Caller::AGENT);
        }
        // A token has dots, and an API key has none.
        match &self.tokens {
            Some(tokens) if presented.contains('.') => tokens.caller(presented).await,
            _ => Err(Refused::KeyUnknown),
        }
    }
}

impl Tokens {
    async fn caller(&self, token: &str) -> Result<Caller, Refused> {
        let token = Unverified::read(token).map_err(Refused::Token)?;
        let key = self.issuer.key(&token.kid).await.map_err(|error| match error {
            KeyError::Unknown => Refused::Token(TokenError::UnknownKey),
            KeyError::Unreachable => Refused::IssuerUnreachable,
        })?;
        token.verify(&key, &self.expected, clock::now()).map_err(Refused::Token)
    }
}

/// The one bearer token of a request (RFC 6750 section 2.1); two are as bad as none.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim_start())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

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
        let bearer = Bearer::new(KeyHash::sha256("mine"), None);
        for sent in ["Bearer mine", "bearer  mine"] {
            assert_eq!(bearer.caller(&headers(&[sent])).await, Ok(Caller::AGENT));
        }
        for (sent, refused) in [
            (&[][..], Refused::KeyMissing),
            (&["mine"], Refused::KeyMissing),
            (&["Basic mine"], Refused::KeyMissing),
            (&["Bearer mine", "Bearer mine"], Refused::KeyMissing),
            (&["Bearer yours"], Refused::KeyUnknown),
            (&["Bearer a.b.c"], Refused::KeyUnknown),
        ] {
            assert_eq!(bearer.caller(&headers(sent)).await, Err(refused), "{sent:?}");
        }
    }
}
