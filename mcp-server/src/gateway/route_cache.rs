//! Caches which endpoint a credential belongs to. Only active credentials are cached, so that a
//! stranger cannot fill the cache. A route decides where a request goes and never whether it is
//! allowed: the endpoint verifies the credential itself. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use protocol::api_key::KeyHash;
use protocol::{Did, UnixSeconds};

/// Cached credentials, about 300 bytes each. One more replaces the one that was introspected
/// longest ago.
pub const ROUTES_MAX: usize = 20_000;
/// Age at which the relay is asked again, so that a changed route is noticed quickly.
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(5);
/// How long a route is used while the relay does not answer: longer than a restart of the relay,
/// and than the 30 s that any part may be unavailable.
pub const STALE_ROUTE_TTL: Duration = Duration::from_secs(15 * 60);
/// Between two introspections of one credential, when the relay did not answer the first or has not
/// answered it yet.
pub const MIN_INTROSPECTION_INTERVAL: Duration = Duration::from_secs(2);

/// Where the requests of an agent go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub agent: Did,
    /// URL of the agent's own endpoint.
    pub endpoint: String,
}

/// What the cache holds of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    Hit(Route),
    /// The caller must ask the relay, and may use this route if it does not answer.
    Stale(Route),
    /// The caller must ask the relay.
    Miss,
}

/// Routes by credential.
#[derive(Debug, Default)]
pub struct RouteCache(HashMap<KeyHash, CachedRoute>);

#[derive(Debug)]
struct CachedRoute {
    route: Route,
    /// When the credential expires.
    expires: Option<UnixSeconds>,
    answered: Instant,
    asked: Instant,
}

impl RouteCache {
    /// Only one of several concurrent lookups of an old route returns [`Lookup::Stale`].
    pub fn look_up(&mut self, credential: &KeyHash, now: Instant, clock: UnixSeconds) -> Lookup {
        let Some(cached) = self.0.get_mut(credential) else { return Lookup::Miss };
        let age = now.saturating_duration_since(cached.answered);
        if age >= STALE_ROUTE_TTL || cached.expires.is_some_and(|expires| expires <= clock) {
            self.0.remove(credential);
            return Lookup::Miss;
        }
        let just_asked = now.saturating_duration_since(cached.asked) < MIN_INTROSPECTION_INTERVAL;
        if age < REFRESH_INTERVAL || just_asked {
            return Lookup::Hit(cached.route.clone());
        }
        cached.asked = now;
        Lookup::Stale(cached.route.clone())
    }

    /// Caches the relay's answer about an active credential.
    pub fn insert(&mut self, credential: KeyHash, route: Route, expires: Option<UnixSeconds>, now: Instant) {
        if self.0.len() >= ROUTES_MAX && !self.0.contains_key(&credential) {
            let oldest = self.0.iter().min_by_key(|(_, cached)| cached.answered).map(|(hash, _)| *hash);
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        self.0.insert(credential, CachedRoute { route, expires, answered: now, asked: now });
    }

    /// Removes a credential that is no longer active.
    pub fn remove(&mut self, credential: &KeyHash) {
        self.0.remove(credential);
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(name: &str) -> Route {
        Route {
            agent: format!("did:wba:example.com:agent:acme:{name}").parse().unwrap(),
            endpoint: format!("https://{name}-mcp/mcp"),
        }
    }

    fn hash(n: usize) -> KeyHash {
        KeyHash::sha256(&n.to_string())
    }

    #[test]
    fn the_relay_is_asked_first_and_again_after_a_while() {
        let (mut cache, start) = (RouteCache::default(), Instant::now());
        assert_eq!(cache.look_up(&hash(1), start, 0), Lookup::Miss);
        cache.insert(hash(1), route("alice"), None, start);
        assert_eq!(cache.look_up(&hash(1), start + REFRESH_INTERVAL / 2, 0), Lookup::Hit(route("alice")));
        assert_eq!(cache.look_up(&hash(1), start + REFRESH_INTERVAL, 0), Lookup::Stale(route("alice")));
    }

    #[test]
    fn one_request_asks_and_the_others_go_on_meanwhile() {
        let (mut cache, start) = (RouteCache::default(), Instant::now());
        cache.insert(hash(1), route("alice"), None, start);
        let later = start + REFRESH_INTERVAL;
        assert!(matches!(cache.look_up(&hash(1), later, 0), Lookup::Stale(_)));
        assert_eq!(cache.look_up(&hash(1), later, 0), Lookup::Hit(route("alice")));
        // The relay did not answer: the next request asks again, and may fall back on the old
        // route.
        assert_eq!(
            cache.look_up(&hash(1), later + MIN_INTROSPECTION_INTERVAL, 0),
            Lookup::Stale(route("alice"))
        );
        assert_eq!(cache.look_up(&hash(1), start + STALE_ROUTE_TTL, 0), Lookup::Miss);
    }

    #[test]
    fn a_credential_that_expired_or_was_revoked_has_no_route() {
        let (mut cache, start) = (RouteCache::default(), Instant::now());
        cache.insert(hash(1), route("alice"), Some(100), start);
        assert_eq!(cache.look_up(&hash(1), start, 99), Lookup::Hit(route("alice")));
        assert_eq!(cache.look_up(&hash(1), start, 100), Lookup::Miss);
        cache.insert(hash(2), route("bob"), None, start);
        cache.remove(&hash(2));
        assert_eq!(cache.look_up(&hash(2), start, 0), Lookup::Miss);
    }

    #[test]
    fn a_full_cache_replaces_its_oldest_route() {
        let (mut cache, start) = (RouteCache::default(), Instant::now());
        for n in 0..=ROUTES_MAX {
            cache.insert(hash(n), route("alice"), None, start + Duration::from_micros(n as u64));
        }
        assert_eq!(cache.len(), ROUTES_MAX);
        assert_eq!(cache.look_up(&hash(0), start, 0), Lookup::Miss);
        assert_eq!(cache.look_up(&hash(1), start, 0), Lookup::Hit(route("alice")));
    }
}
