//! Checks callers: by the API keys of the gateway's tenant, which the relay introspects, or nobody
//! where the gateway is open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use daemon::bearer::bearer;
use daemon::token_bucket::{Rate, TokenBucket};
use daemon::token_file::ReloadingToken;
use http::HeaderMap;
use protocol::api_key::{ApiKey, KeyHash};
use protocol::introspection::Introspection;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::caller::{Caller, CallerCheck, CallerRejection, VerifiedBy};
use crate::error::{A2aError, ErrorKind};

/// How long an active key is taken without asking the relay again. A revoked key is refused after
/// it.
const ACTIVE_KEY_TTL: Duration = Duration::from_secs(5);
/// Cached active keys. Beyond it the one that was asked about longest ago is dropped.
const KEYS_MAX: usize = 10_000;
/// Time for an answer of the relay.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
/// Introspections at a time, so that strangers cannot load the relay with more.
const INTROSPECTIONS_MAX: usize = 32;
/// Bytes of an answer; the relay's have about 600.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Requests of one caller.
const CALLER_RATE: Rate = Rate { per_second: 50.0, burst: 200.0 };
/// Callers whose rate is kept. Beyond it the one that called longest ago is forgotten.
const CALLERS_MAX: usize = 10_000;
const CHALLENGE: &str = "Bearer realm=\"a2a\"";

/// Who may call.
pub enum Callers {
    /// Everybody, and all are the same caller.
    Open,
    /// Who has an API key of the tenant.
    ApiKeys(Introspector),
}

/// Asks the relay about API keys, with the gateway's own.
pub struct Introspector {
    client: reqwest::Client,
    url: String,
    own_key: ReloadingToken<ApiKey>,
    slots: Semaphore,
    active: Mutex<HashMap<KeyHash, (Option<String>, Instant)>>,
}

/// Checks who calls, and how often.
pub struct GatewayCallers {
    callers: Callers,
    tenant: String,
    started: Instant,
    rates: Mutex<HashMap<String, (TokenBucket, u64)>>,
}

impl Introspector {
    #[must_use]
    pub fn new(client: reqwest::Client, url: String, own_key: ReloadingToken<ApiKey>) -> Self {
        Self { client, url, own_key, slots: Semaphore::new(INTROSPECTIONS_MAX), active: Mutex::default() }
    }

    /// The agent of a key, if it is one of an agent.
    async fn check(&self, key: &str) -> Result<Option<String>, CallerRejection> {
        let hash = key.parse::<ApiKey>().map_err(|_| unknown())?.hash();
        let cached = self.active.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
        if let Some((agent, asked)) = cached
            && asked.elapsed() < ACTIVE_KEY_TTL
        {
            return Ok(agent);
        }
        let answer = self.ask(key).await.ok_or_else(unreachable)?;
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        if !answer.active {
            active.remove(&hash);
            return Err(unknown());
        }
        if active.len() >= KEYS_MAX && !active.contains_key(&hash) {
            let oldest = active.iter().min_by_key(|(_, (_, asked))| *asked).map(|(hash, _)| *hash);
            oldest.map(|oldest| active.remove(&oldest));
        }
        let agent = answer.agent.map(|agent| agent.to_string());
        active.insert(hash, (agent.clone(), Instant::now()));
        Ok(agent)
    }

    async fn ask(&self, key: &str) -> Option<Introspection> {
        let _slot = self.slots.try_acquire().ok()?;
        let form = Zeroizing::new(format!("token={key}"));
        let request = self
            .client
            .post(&self.url)
            .timeout(ANSWER_TIMEOUT)
            .bearer_auth(self.own_key.current().reveal())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.as_bytes().to_vec());
        let failed = |error: reqwest::Error| {
            tracing::warn!(error = daemon::error_chain(&error), "the relay did not answer an introspection");
        };
        let mut answer = request.send().await.map_err(failed).ok()?;
        if !answer.status().is_success() {
            tracing::warn!(status = answer.status().as_u16(), "the relay refused an introspection");
            return None;
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed).ok()? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return None;
            }
        }
        serde_json::from_slice(&body).ok()
    }
}

impl GatewayCallers {
    #[must_use]
    pub fn new(callers: Callers, tenant: String) -> Arc<Self> {
        Arc::new(Self { callers, tenant, started: Instant::now(), rates: Mutex::default() })
    }

    /// How long a caller has to wait; `None`: it may call now.
    fn wait(&self, subject: &str) -> Option<Duration> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        if rates.len() >= CALLERS_MAX && !rates.contains_key(subject) {
            let oldest = rates.iter().min_by_key(|(_, (_, called))| *called).map(|(who, _)| who.clone());
            oldest.map(|oldest| rates.remove(&oldest));
        }
        let full = || (TokenBucket::full(CALLER_RATE, now), now);
        let (bucket, called) = rates.entry(subject.to_owned()).or_insert_with(full);
        *called = now;
        let wait = bucket.wait(CALLER_RATE, now);
        if wait.is_none() {
            bucket.take();
        }
        wait
    }
}

#[async_trait]
impl CallerCheck for GatewayCallers {
    async fn check(&self, headers: &HeaderMap, _agent: &str) -> Result<Caller, CallerRejection> {
        let tenant = self.tenant.clone();
        let caller = match &self.callers {
            Callers::Open => {
                Caller { subject: "anonymous".into(), verified_by: VerifiedBy::Nothing, tenant, agent: None }
            }
            Callers::ApiKeys(introspector) => {
                let key = bearer(headers).ok_or_else(missing)?;
                let agent = introspector.check(key).await?;
                let subject = agent.clone().unwrap_or_else(|| format!("tenant:{tenant}"));
                Caller { subject, verified_by: VerifiedBy::ApiKey, tenant, agent }
            }
        };
        match self.wait(&caller.subject) {
            None => Ok(caller),
            Some(wait) => {
                let error = A2aError::new(ErrorKind::ResourceExhausted, "too many requests");
                Err(CallerRejection { error: error.retry_after(wait), challenge: None })
            }
        }
    }
}

fn missing() -> CallerRejection {
    let error = A2aError::new(ErrorKind::Unauthenticated, "send an API key as Authorization: Bearer");
    CallerRejection { error, challenge: Some(CHALLENGE.to_owned()) }
}

fn unknown() -> CallerRejection {
    let error = A2aError::new(ErrorKind::Unauthenticated, "the API key is not one of this tenant");
    CallerRejection { error, challenge: Some(format!("{CHALLENGE}, error=\"invalid_token\"")) }
}

fn unreachable() -> CallerRejection {
    let error = A2aError::new(ErrorKind::Unavailable, "the API key cannot be checked now");
    CallerRejection { error: error.retry_after(Duration::from_secs(2)), challenge: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_open_gateway_knows_one_caller_and_limits_its_rate() {
        let callers = GatewayCallers::new(Callers::Open, "acme".into());
        let mut refused = None;
        for _ in 0..=CALLER_RATE.burst_count() * 2 {
            match callers.check(&HeaderMap::new(), "bob").await {
                Ok(caller) => assert_eq!(caller.verified_by, VerifiedBy::Nothing),
                Err(rejection) => refused = Some(rejection.error),
            }
        }
        let refused = refused.unwrap();
        assert_eq!(refused.kind(), ErrorKind::ResourceExhausted);
        assert!(refused.wait_before_retry().is_some());
    }
}
