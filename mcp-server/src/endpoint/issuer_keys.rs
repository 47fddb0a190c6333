//! The public keys of the authorization server (a JWKS, RFC 7517), fetched on demand and cached.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use ed25519_dalek::VerifyingKey;
use protocol::base64url;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::http::outbound::Outbound;

/// Keys of one issuer: the current one, those of a rotation, and some more.
const KEYS_MAX: usize = 16;
/// Bytes of a key set.
const KEY_SET_BYTES_MAX: usize = 64 * 1024;
/// Time for one fetch; clients give up after about ten seconds.
const FETCH_TIMEOUT: Duration = Duration::from_secs(4);
/// Between two fetches, so that made-up key ids cannot make this server flood the issuer.
const MIN_FETCH_INTERVAL: Duration = Duration::from_secs(5);
/// Age at which cached keys are fetched again, so that a withdrawn key stops being accepted.
const REFRESH_INTERVAL: Duration = Duration::from_secs(600);
/// How long cached keys are used when the issuer has not answered since: longer than an outage that
/// nobody notices over night.
const KEYS_TTL: Duration = Duration::from_secs(24 * 3600);

/// Cheap to clone; clones share the keys.
#[derive(Clone)]
pub struct IssuerKeys {
    url: Arc<str>,
    outbound: Outbound,
    cached: Arc<RwLock<CachedKeys>>,
    /// Serializes fetches, and holds when the last one began.
    fetching: Arc<Mutex<Option<Instant>>>,
}

#[derive(Default)]
struct CachedKeys {
    keys: HashMap<String, VerifyingKey>,
    fetched: Option<Instant>,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("failed to fetch the issuer's keys")]
    Request(#[source] reqwest::Error),
    #[error("the issuer's keys have more than {KEY_SET_BYTES_MAX} bytes")]
    Size,
    #[error("failed to parse the issuer's keys")]
    Parse(#[source] serde_json::Error),
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// The issuer publishes no such key.
    Unknown,
    /// The issuer does not answer, and the key is not cached.
    Unreachable,
}

#[derive(Debug, Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

/// RFC 8037 section 2. Keys of other types are skipped.
#[derive(Debug, Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    kid: Option<String>,
    x: Option<String>,
}

impl IssuerKeys {
    #[must_use]
    pub fn new(jwks_url: &str, outbound: Outbound) -> Self {
        Self { url: jwks_url.into(), outbound, cached: Arc::default(), fetching: Arc::default() }
    }

    /// The key with this id. Fetches the key set when the key is not cached, or is cached for too
    /// long.
    ///
    /// # Errors
    /// There is no such key, or the issuer does not answer.
    pub async fn key(&self, kid: &str) -> Result<VerifyingKey, KeyError> {
        let (found, age) = self.look_up(kid);
        if let Some(key) = found
            && age.is_some_and(|age| age < REFRESH_INTERVAL)
        {
            return Ok(key);
        }
        let reached = self.fetch_unless_just_done().await;
        match self.look_up(kid) {
            (Some(key), Some(age)) if age < KEYS_TTL => Ok(key),
            (None, Some(age)) if reached && age < REFRESH_INTERVAL => Err(KeyError::Unknown),
            _ => Err(KeyError::Unreachable),
        }
    }

    fn look_up(&self, kid: &str) -> (Option<VerifyingKey>, Option<Duration>) {
        let cached = self.cached();
        (cached.keys.get(kid).copied(), cached.fetched.map(|at| at.elapsed()))
    }

    // A panic under the lock leaves consistent keys behind: they are replaced in one assignment.
    fn cached(&self) -> RwLockReadGuard<'_, CachedKeys> {
        self.cached.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the issuer answered this fetch, or the one that began a moment ago.
    async fn fetch_unless_just_done(&self) -> bool {
        let mut last = self.fetching.lock().await;
        if let Some(began) = *last
            && began.elapsed() < MIN_FETCH_INTERVAL
        {
            return self.cached().fetched.is_some_and(|at| at >= began);
        }
        *last = Some(Instant::now());
        match self.fetch().await {
            Ok(keys) => {
                let fresh = CachedKeys { keys, fetched: Some(Instant::now()) };
                *self.cached.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                true
            }
            Err(error) => {
                let error = daemon::error_chain(&error);
                tracing::warn!(error, url = %self.url, "keeping the issuer's keys as they were");
                false
            }
        }
    }

    async fn fetch(&self) -> Result<HashMap<String, VerifyingKey>, FetchError> {
        let request = self.outbound.client().get(&*self.url).timeout(FETCH_TIMEOUT).send().await;
        let mut response =
            request.and_then(reqwest::Response::error_for_status).map_err(FetchError::Request)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(FetchError::Request)? {
            body.extend_from_slice(&chunk);
            if body.len() > KEY_SET_BYTES_MAX {
                return Err(FetchError::Size);
            }
        }
        let set: KeySet = serde_json::from_slice(&body).map_err(FetchError::Parse)?;
        Ok(set.keys.into_iter().filter_map(Jwk::into_key).take(KEYS_MAX).collect())
    }
}

impl Jwk {
    fn into_key(self) -> Option<(String, VerifyingKey)> {
        if self.kty != "OKP" || self.crv.as_deref() != Some("Ed25519") {
            return None;
        }
        let bytes = base64url::decode_array(&self.x?).ok()?;
        Some((self.kid?, VerifyingKey::from_bytes(&bytes).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_ed25519_keys_of_a_set_are_taken() {
        let x = base64url::encode(ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key().as_bytes());
        let set = serde_json::json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x, "use": "sig", "alg": "EdDSA"},
            {"kty": "OKP", "crv": "Ed25519", "x": x},
            {"kty": "RSA", "kid": "k2", "n": "AQAB", "e": "AQAB"},
            {"kty": "OKP", "crv": "X25519", "kid": "k3", "x": x},
            {"kty": "OKP", "crv": "Ed25519", "kid": "k4", "x": "short"},
        ]});
        let set: KeySet = serde_json::from_value(set).unwrap();
        let kids: Vec<_> = set.keys.into_iter().filter_map(Jwk::into_key).map(|(kid, _)| kid).collect();
        assert_eq!(kids, ["k1"]);
    }
}
