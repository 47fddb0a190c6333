//! Finds the endpoint that a credential leads to: [`super::known`] decides whether the relay must be asked, the introspector asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use protocol::api_key::{ApiKey, KeyHash};
use protocol::introspection::{Inactive, Introspection};

use super::introspector::{AskError, Introspector};
use super::known::{Known, Route, Step};
use super::metrics::Metrics;
use crate::clock;
use crate::http::refused::Refused;
use crate::http::token::{TokenError, Unverified};

/// Cheap to clone; clones know the same.
#[derive(Clone)]
pub struct Directory {
    introspector: Introspector,
    known: Arc<Mutex<Known>>,
    metrics: Metrics,
}

impl Directory {
    #[must_use]
    pub fn new(introspector: Introspector, metrics: Metrics) -> Self {
        Self { introspector, known: Arc::default(), metrics }
    }

    /// # Errors
    /// The credential speaks for no agent that has an endpoint, or the relay does not say.
    pub async fn route(&self, credential: &str) -> Result<Route, Refused> {
        check_form(credential)?;
        let hash = KeyHash::sha256(credential);
        let before = match self.known().step(&hash, Instant::now(), clock::now()) {
            Step::Use(route) => return Ok(route),
            Step::Ask { before } => before,
        };
        match self.introspector.ask(credential).await {
            Ok(answer) => self.learn(hash, answer),
            Err(error) => self.go_on(before, &error),
        }
    }

    fn learn(&self, hash: KeyHash, answer: Introspection) -> Result<Route, Refused> {
        let ends = answer.exp;
        let decided = decide(answer);
        self.metrics.asked(if decided.is_ok() { "active" } else { "inactive" });
        let mut known = self.known();
        match &decided {
            Ok(route) => known.put(hash, route.clone(), ends, Instant::now()),
            Err(_) => known.forget(&hash),
        }
        self.metrics.known(known.len());
        decided
    }

    fn go_on(&self, before: Option<Route>, error: &AskError) -> Result<Route, Refused> {
        self.metrics.asked("unanswered");
        let source = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(%error, source, known = before.is_some(), "the relay did not say whom a credential speaks for");
        before.ok_or(match error {
            AskError::Turn => Refused::Overloaded,
            _ => Refused::IssuerUnreachable,
        })
    }

    // A panic under the lock leaves a consistent table behind: every change is one insert or remove.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is neither a key nor a token of ours is not worth a question. A token has dots, and an API key has none.
fn check_form(credential: &str) -> Result<(), Refused> {
    if credential.contains('.') {
        return Unverified::read(credential).map(drop).map_err(Refused::Token);
    }
    credential.parse::<ApiKey>().map(drop).map_err(|_| Refused::KeyUnknown)
}

fn decide(answer: Introspection) -> Result<Route, Refused> {
    match (answer.active, answer.agent, answer.endpoint) {
        (true, Some(agent), Some(endpoint)) => Ok(Route { agent, endpoint }),
        (true, ..) => Err(Refused::NoEndpoint),
        (false, ..) => Err(refused(answer.reason.unwrap_or(Inactive::Unrecognized))),
    }
}

const fn refused(reason: Inactive) -> Refused {
    match reason {
        Inactive::Suspended => Refused::Suspended,
        Inactive::NoEndpoint => Refused::NoEndpoint,
        Inactive::KeyOfTenant => Refused::KeyOfATenant,
        Inactive::GrantRevoked | Inactive::NotInvited | Inactive::ResourceGone => Refused::GrantRevoked,
        Inactive::TokenMalformed => Refused::Token(TokenError::Malformed),
        Inactive::TokenKeyUnknown => Refused::Token(TokenError::UnknownKey),
        Inactive::TokenBadSignature => Refused::Token(TokenError::BadSignature),
        Inactive::TokenWrongIssuer => Refused::Token(TokenError::WrongIssuer),
        Inactive::TokenWrongAudience => Refused::Token(TokenError::WrongAudience),
        Inactive::TokenWrongAgent => Refused::Token(TokenError::WrongAgent),
        Inactive::TokenExpired => Refused::Token(TokenError::Expired),
        Inactive::TokenNotYetValid => Refused::Token(TokenError::NotYetValid),
        Inactive::KeyUnknown | Inactive::KeyExpired | Inactive::Unrecognized => Refused::KeyUnknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inactive(reason: &str) -> Refused {
        let reason = serde_json::from_value(reason.into()).unwrap();
        decide(Introspection { reason: Some(reason), ..Introspection::default() }).unwrap_err()
    }

    #[test]
    fn each_answer_of_the_relay_has_its_refusal() {
        for (reason, refused) in [
            ("suspended", Refused::Suspended),
            ("token_expired", Refused::Token(TokenError::Expired)),
            ("token_wrong_audience", Refused::Token(TokenError::WrongAudience)),
            ("grant_revoked", Refused::GrantRevoked),
            ("resource_gone", Refused::GrantRevoked),
            ("key_of_a_tenant", Refused::KeyOfATenant),
            ("no_endpoint", Refused::NoEndpoint),
            ("key_unknown", Refused::KeyUnknown),
            ("", Refused::KeyUnknown),
        ] {
            assert_eq!(inactive(reason), refused, "{reason}");
        }
        let nowhere = Introspection { active: true, ..Introspection::default() };
        assert_eq!(decide(nowhere), Err(Refused::NoEndpoint));
    }

    #[test]
    fn what_has_no_form_of_ours_is_not_asked_about() {
        assert_eq!(check_form("a.b.c"), Err(Refused::Token(TokenError::Malformed)));
        assert_eq!(check_form("password"), Err(Refused::KeyUnknown));
        assert_eq!(check_form(ApiKey::generate(&mut rand::rng()).reveal()), Ok(()));
    }
}
