//! The authorization server's public keys (RFC 7517), fetched when they are needed and kept within bounds.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use ed25519_dalek::VerifyingKey;
use protocol::base64url;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::outbound::Outbound;

/// Keys of one issuer: the current one, those that overlap, and room.
const KEYS_MAX: usize = 16;
/// Bytes of a key set.
const BYTES_MAX: usize = 64 * 1024;
/// Time for one fetch; clients give up after about ten seconds.
const FETCH_TIMEOUT: Duration = Duration::from_secs(4);
/// Pause between two fetches, whatever key ids are presented.
const FETCH_PAUSE: Duration = Duration::from_secs(5);
/// Age at which known keys are fetched again, so that one that was withdrawn is forgotten.
const FRESH: Duration = Duration::from_secs(600);
/// Age at which keys are used no more, when the issuer has not answered since.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// Cheap to clone; clones share the keys.
#[derive(Clone)]
pub struct Issuer {
    url: Arc<str>,
    outbound: Outbound,
    known: Arc<RwLock<Known>>,
    /// One fetch at a time; holds when the last one began.
    fetching: Arc<Mutex<Option<Instant>>>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, VerifyingKey>,
    fetched: Option<Instant>,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("failed to fetch the issuer's keys")]
    Request(#[source] reqwest::Error),
    #[error("the issuer's keys have more than {BYTES_MAX} bytes")]
    Size,
    #[error("failed to read the issuer's keys")]
    Shape(#[source] serde_json::Error),
}

/// A key is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// The issuer has no such key.
    Unknown,
    /// The issuer does not answer, and this key was not known before.
    Unreachable,
}

#[derive(Debug, Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

/// RFC 8037 section 2. Keys of other kinds are skipped.
#[derive(Debug, Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    kid: Option<String>,
    x: Option<String>,
}

impl Issuer {
    #[must_use]
    pub fn new(jwks_url: &str, outbound: Outbound) -> Self {
        Self { url: jwks_url.into(), outbound, known: Arc::default(), fetching: Arc::default() }
    }

    /// The key of this id, fetched when it is not known or its age asks for it.
    ///
    /// # Errors
    /// There is none, or the issuer does not answer.
    pub async fn key(&self, kid: &str) -> Result<VerifyingKey, KeyError> {
        let (found, age) = self.look(kid);
        if let Some(key) = found
            && age.is_some_and(|age| age < FRESH)
        {
            return Ok(key);
        }
        let reached = self.fetch_unless_just_done().await;
        match self.look(kid) {
            (Some(key), Some(age)) if age < STALE => Ok(key),
            (None, Some(age)) if reached && age < FRESH => Err(KeyError::Unknown),
            _ => Err(KeyError::Unreachable),
        }
    }

    fn look(&self, kid: &str) -> (Option<VerifyingKey>, Option<Duration>) {
        let known = self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        (known.keys.get(kid).copied(), known.fetched.map(|at| at.elapsed()))
    }

    /// Whether the issuer has answered, now or in the last fetch.
    async fn fetch_unless_just_done(&self) -> bool {
        let mut last = self.fetching.lock().await;
        let answered = |this: &Self, since: Instant| {
            let known = this.known.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            known.fetched.is_some_and(|at| at >= since)
        };
        if let Some(began) = *last
            && began.elapsed() < FETCH_PAUSE
        {
            return answered(self, began);
        }
        *last = Some(Instant::now());
        match self.fetch().await {
            Ok(keys) => {
                let known = Known { keys, fetched: Some(Instant::now()) };
                *self.known.write().unwrap_or_else(std::sync::PoisonError::into_inner) = known;
                true
            }
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, source, url = %self.url, "keeping the issuer's keys as they were");
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
            if body.len() > BYTES_MAX {
                return Err(FetchError::Size);
            }
        }
        let set: KeySet = serde_json::from_slice(&body).map_err(FetchError::Shape)?;
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
