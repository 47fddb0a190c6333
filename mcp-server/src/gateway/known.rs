//! What the relay said of credentials a moment ago. Only credentials that speak for an agent are kept, so that nothing a stranger
//! presents takes room. A route decides where a request goes and never whether it is let in: the endpoint decides that. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use protocol::api_key::KeyHash;
use protocol::{Did, UnixSeconds};

/// Credentials that are kept, about 300 bytes each. When one more comes, the one asked about longest ago goes.
pub const KNOWN_MAX: usize = 20_000;
/// Age at which the relay is asked again.
pub const FRESH: Duration = Duration::from_secs(5);
/// Age up to which a route is used while the relay does not answer: longer than its restart, and than the 30 s that any part may be away.
pub const STALE: Duration = Duration::from_secs(15 * 60);
/// Pause before the relay is asked again about a credential, when it did not answer or an answer is on its way.
pub const ASK_PAUSE: Duration = Duration::from_secs(2);

/// Where the requests of an agent go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub agent: Did,
    /// URL of the agent's own endpoint.
    pub endpoint: String,
}

/// What follows for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Use(Route),
    /// Ask the relay; the route of before serves when it does not answer.
    Ask {
        before: Option<Route>,
    },
}

/// Routes by credential.
#[derive(Debug, Default)]
pub struct Known(HashMap<KeyHash, Entry>);

#[derive(Debug)]
struct Entry {
    route: Route,
    ends: Option<UnixSeconds>,
    answered: Instant,
    asked: Instant,
}

impl Known {
    pub fn step(&mut self, credential: &KeyHash, now: Instant, clock: UnixSeconds) -> Step {
        let Some(entry) = self.0.get_mut(credential) else { return Step::Ask { before: None } };
        let age = now.saturating_duration_since(entry.answered);
        if age >= STALE || entry.ends.is_some_and(|ends| ends <= clock) {
            self.0.remove(credential);
            return Step::Ask { before: None };
        }
        let just_asked = now.saturating_duration_since(entry.asked) < ASK_PAUSE;
        if age < FRESH || just_asked {
            return Step::Use(entry.route.clone());
        }
        entry.asked = now;
        Step::Ask { before: Some(entry.route.clone()) }
    }

    /// The relay said where the credential leads, and until when.
    pub fn put(&mut self, credential: KeyHash, route: Route, ends: Option<UnixSeconds>, now: Instant) {
        if self.0.len() >= KNOWN_MAX && !self.0.contains_key(&credential) {
            let oldest = self.0.iter().min_by_key(|(_, entry)| entry.answered).map(|(hash, _)| *hash);
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        self.0.insert(credential, Entry { route, ends, answered: now, asked: now });
    }

    /// The relay said that the credential leads nowhere.
    pub fn forget(&mut self, credential: &KeyHash) {
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

    const UNASKED: Step = Step::Ask { before: None };

    #[test]
    fn the_relay_is_asked_first_and_again_after_a_while() {
        let (mut known, start) = (Known::default(), Instant::now());
        assert_eq!(known.step(&hash(1), start, 0), UNASKED);
        known.put(hash(1), route("alice"), None, start);
        assert_eq!(known.step(&hash(1), start + FRESH / 2, 0), Step::Use(route("alice")));
        assert_eq!(known.step(&hash(1), start + FRESH, 0), Step::Ask { before: Some(route("alice")) });
    }

    #[test]
    fn one_request_asks_and_the_others_go_on_meanwhile() {
        let (mut known, start) = (Known::default(), Instant::now());
        known.put(hash(1), route("alice"), None, start);
        let later = start + FRESH;
        assert!(matches!(known.step(&hash(1), later, 0), Step::Ask { .. }));
        assert_eq!(known.step(&hash(1), later, 0), Step::Use(route("alice")));
        // Nobody answered: the next one tries, and has the old route to fall back on.
        assert_eq!(known.step(&hash(1), later + ASK_PAUSE, 0), Step::Ask { before: Some(route("alice")) });
        assert_eq!(known.step(&hash(1), start + STALE, 0), UNASKED);
    }

    #[test]
    fn a_credential_that_ended_or_was_taken_back_leads_nowhere() {
        let (mut known, start) = (Known::default(), Instant::now());
        known.put(hash(1), route("alice"), Some(100), start);
        assert_eq!(known.step(&hash(1), start, 99), Step::Use(route("alice")));
        assert_eq!(known.step(&hash(1), start, 100), UNASKED);
        known.put(hash(2), route("bob"), None, start);
        known.forget(&hash(2));
        assert_eq!(known.step(&hash(2), start, 0), UNASKED);
    }

    #[test]
    fn a_full_table_gives_up_its_oldest_answer() {
        let (mut known, start) = (Known::default(), Instant::now());
        for n in 0..=KNOWN_MAX {
            known.put(hash(n), route("alice"), None, start + Duration::from_micros(n as u64));
        }
        assert_eq!(known.len(), KNOWN_MAX);
        assert_eq!(known.step(&hash(0), start, 0), UNASKED);
        assert_eq!(known.step(&hash(1), start, 0), Step::Use(route("alice")));
    }
}
