//! Sessions of the handshake era. Each is bound to the principal that created it, so that a session
//! id is useless to anyone else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rmcp::transport::streamable_http_server::session::SessionManager as _;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};

use crate::caller::Principal;
use crate::http::rejection::HttpRejection;

/// Open sessions. One more ends the session that was idle longest; its client starts a new one.
const SESSIONS_MAX: usize = 256;
/// How long a session may be idle before it ends.
const SESSION_IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Cheap to clone; clones share the sessions.
#[derive(Clone)]
pub struct Sessions {
    manager: Arc<LocalSessionManager>,
    owners: Arc<Mutex<Owners>>,
}

#[derive(Default)]
struct Owners(HashMap<String, Owner>);

struct Owner {
    principal: Principal,
    used: Instant,
}

impl Default for Sessions {
    fn default() -> Self {
        let mut config = SessionConfig::default();
        config.keep_alive = Some(SESSION_IDLE_TIMEOUT);
        // Must match the configuration in the router.
        config.sse_retry = None;
        let mut manager = LocalSessionManager::default();
        manager.session_config = config;
        Self { manager: Arc::new(manager), owners: Arc::default() }
    }
}

impl Sessions {
    /// The session manager that rmcp uses.
    #[must_use]
    pub fn manager(&self) -> Arc<LocalSessionManager> {
        Arc::clone(&self.manager)
    }

    /// # Errors
    /// The session does not exist, or belongs to another principal.
    pub fn check(&self, id: &str, principal: &Principal) -> Result<(), HttpRejection> {
        self.owners().check(id, principal, Instant::now())
    }

    /// Adds a session that rmcp created for this principal.
    pub async fn add(&self, id: &str, principal: Principal) {
        let surplus = self.owners().add(id, principal, Instant::now());
        if let Some(oldest) = surplus {
            self.end(&oldest).await;
        }
    }

    /// Ends a session. Idempotent.
    pub async fn end(&self, id: &str) {
        self.owners().0.remove(id);
        // Fails only for a session that has already ended.
        let _ = self.manager.close_session(&id.into()).await;
    }

    fn owners(&self) -> MutexGuard<'_, Owners> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owners {
    fn check(&mut self, id: &str, principal: &Principal, now: Instant) -> Result<(), HttpRejection> {
        let owner = self.0.get_mut(id).ok_or(HttpRejection::UnknownSession)?;
        if owner.principal != *principal {
            return Err(HttpRejection::ForeignSession);
        }
        owner.used = now;
        Ok(())
    }

    /// Returns the session that must end when there are too many.
    fn add(&mut self, id: &str, principal: Principal, now: Instant) -> Option<String> {
        self.0.insert(id.to_owned(), Owner { principal, used: now });
        if self.0.len() <= SESSIONS_MAX {
            return None;
        }
        let oldest = self.0.iter().min_by_key(|(_, owner)| owner.used);
        oldest.map(|(id, _)| id.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(subject: &str) -> Principal {
        Principal::User { subject: subject.into(), client: "c".into() }
    }

    #[test]
    fn a_session_opens_for_its_principal_alone() {
        let (mut owners, now) = (Owners::default(), Instant::now());
        owners.add("s1", user("ann"), now);
        assert_eq!(owners.check("s1", &user("ann"), now), Ok(()));
        assert_eq!(owners.check("s1", &user("ben"), now), Err(HttpRejection::ForeignSession));
        assert_eq!(owners.check("s1", &Principal::Agent, now), Err(HttpRejection::ForeignSession));
        assert_eq!(owners.check("s2", &user("ann"), now), Err(HttpRejection::UnknownSession));
    }

    #[test]
    fn one_session_too_many_ends_the_one_that_was_silent_longest() {
        let (mut owners, start) = (Owners::default(), Instant::now());
        for n in 0..SESSIONS_MAX {
            let at = start + Duration::from_secs(n as u64);
            assert_eq!(owners.add(&n.to_string(), Principal::Agent, at), None);
        }
        let later = start + Duration::from_secs(10_000);
        owners.check("0", &Principal::Agent, later).unwrap();
        assert_eq!(owners.add("new", Principal::Agent, later).as_deref(), Some("1"));
    }
}
