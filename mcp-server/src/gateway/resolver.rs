//! Resolves a credential to the endpoint of its agent: from the route cache, or by introspection at
//! the relay.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use protocol::api_key::{ApiKey, KeyHash};
use protocol::introspection::{Inactive, Introspection};

use super::introspection_client::{IntrospectionClient, IntrospectionError};
use super::metrics::GatewayMetrics;
use super::route_cache::{Lookup, Route, RouteCache};
use crate::clock;
use crate::http::rejection::HttpRejection;
use crate::http::unverified_token::UnverifiedToken;

/// Cheap to clone; clones share the cache.
#[derive(Clone)]
pub struct EndpointResolver {
    client: IntrospectionClient,
    cache: Arc<Mutex<RouteCache>>,
    metrics: GatewayMetrics,
}

impl EndpointResolver {
    #[must_use]
    pub fn new(client: IntrospectionClient, metrics: GatewayMetrics) -> Self {
        Self { client, cache: Arc::default(), metrics }
    }

    /// # Errors
    /// The credential is not active, its agent has no endpoint, or the relay does not answer.
    pub async fn resolve(&self, credential: &str) -> Result<Route, HttpRejection> {
        check_syntax(credential)?;
        let hash = KeyHash::sha256(credential);
        let lookup = self.cache().look_up(&hash, Instant::now(), clock::now());
        let stale = match lookup {
            Lookup::Hit(route) => return Ok(route),
            Lookup::Stale(route) => Some(route),
            Lookup::Miss => None,
        };
        match self.client.introspect(credential).await {
            Ok(answer) => self.on_answer(hash, answer),
            Err(error) => self.on_failure(stale, &error),
        }
    }

    fn on_answer(&self, hash: KeyHash, answer: Introspection) -> Result<Route, HttpRejection> {
        let expires = answer.exp;
        let route = route_of(answer);
        self.metrics.count_introspection(if route.is_ok() { "active" } else { "inactive" });
        let mut cache = self.cache();
        match &route {
            Ok(route) => cache.insert(hash, route.clone(), expires, Instant::now()),
            Err(_) => cache.remove(&hash),
        }
        self.metrics.set_cached_routes(cache.len());
        route
    }

    fn on_failure(&self, stale: Option<Route>, error: &IntrospectionError) -> Result<Route, HttpRejection> {
        self.metrics.count_introspection("unanswered");
        let cached = stale.is_some();
        tracing::warn!(
            error = daemon::error_chain(error),
            cached,
            "the relay did not answer an introspection"
        );
        stale.ok_or(match error {
            IntrospectionError::Busy => HttpRejection::Overloaded,
            _ => HttpRejection::IssuerUnreachable,
        })
    }

    // A panic under the lock leaves a consistent cache behind: every change is one insert or
    // remove.
    fn cache(&self) -> MutexGuard<'_, RouteCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rejects what is neither an API key nor an access token without asking the relay. A token
/// contains dots, and an API key does not.
fn check_syntax(credential: &str) -> Result<(), HttpRejection> {
    if credential.contains('.') {
        return UnverifiedToken::parse(credential).map(drop).map_err(HttpRejection::Credential);
    }
    let unknown = |_| HttpRejection::Credential(Inactive::KeyUnknown);
    credential.parse::<ApiKey>().map(drop).map_err(unknown)
}

fn route_of(answer: Introspection) -> Result<Route, HttpRejection> {
    let inactive = match (answer.active, answer.agent, answer.endpoint) {
        (true, Some(agent), Some(endpoint)) => return Ok(Route { agent, endpoint }),
        (true, ..) => Inactive::NoEndpoint,
        (false, ..) => answer.reason.unwrap_or(Inactive::Unrecognized),
    };
    Err(HttpRejection::Credential(inactive))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response_reason(reason: &str) -> &'static str {
        let reason = serde_json::from_value(reason.into()).unwrap();
        let answer = Introspection { reason: Some(reason), ..Introspection::default() };
        route_of(answer).unwrap_err().problem().reason()
    }

    #[test]
    fn each_answer_of_the_relay_has_its_refusal() {
        for (reason, response) in [
            ("suspended", "suspended"),
            ("token_expired", "token_expired"),
            ("token_wrong_audience", "token_wrong_audience"),
            ("grant_revoked", "grant_revoked"),
            ("resource_gone", "grant_revoked"),
            ("not_invited", "grant_revoked"),
            ("key_of_a_tenant", "key_of_a_tenant"),
            ("no_endpoint", "no_endpoint"),
            ("key_unknown", "key_unknown"),
            ("key_expired", "key_expired"),
            ("moon_phase", "unrecognized"),
            ("", "unrecognized"),
        ] {
            assert_eq!(response_reason(reason), response, "{reason}");
        }
        let without_endpoint = Introspection { active: true, ..Introspection::default() };
        assert_eq!(route_of(without_endpoint), Err(HttpRejection::Credential(Inactive::NoEndpoint)));
        let without_reason = Introspection::default();
        assert_eq!(route_of(without_reason), Err(HttpRejection::Credential(Inactive::Unrecognized)));
    }

    #[test]
    fn a_malformed_credential_is_rejected_without_an_introspection() {
        let malformed = HttpRejection::Credential(Inactive::TokenMalformed);
        assert_eq!(check_syntax("a.b.c"), Err(malformed));
        assert_eq!(check_syntax("password"), Err(HttpRejection::Credential(Inactive::KeyUnknown)));
        assert_eq!(check_syntax(ApiKey::generate(&mut rand::rng()).reveal()), Ok(()));
    }
}
