//! Whether this process should get traffic, and if not, why: a list of named checks.
//! Live and ready are different questions; a failed check takes the process out of rotation, it never restarts it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// Why a check does not pass, as a sentence for the person who reads `/readyz`. Never a secret.
pub type Reason = String;

type Probe = Box<dyn Fn() -> Result<(), Reason> + Send + Sync>;

/// The checks of one process. Cheap to clone; without checks the process is ready.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<Vec<(&'static str, Probe)>>>);

/// A check whose owner says when it passes. It fails until then.
#[derive(Debug, Clone)]
pub struct Check(Arc<Mutex<Result<(), Reason>>>);

/// The answer of `/readyz`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    pub ready: bool,
    pub checks: Vec<Outcome>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    pub name: &'static str,
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

impl Readiness {
    /// Adds a check that fails with `until` before its owner first calls [`Check::pass`].
    #[must_use]
    pub fn check(&self, name: &'static str, until: impl Into<Reason>) -> Check {
        let state = Arc::new(Mutex::new(Err(until.into())));
        let read = Arc::clone(&state);
        self.probe(name, move || read.lock().unwrap_or_else(PoisonError::into_inner).clone());
        Check(state)
    }

    /// Adds a check that is asked at every request; it must answer at once.
    pub fn probe(&self, name: &'static str, ask: impl Fn() -> Result<(), Reason> + Send + Sync + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((name, Box::new(ask)));
    }

    #[must_use]
    pub fn report(&self) -> Report {
        let checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let checks: Vec<_> = checks.iter().map(|(name, ask)| Outcome::new(name, ask())).collect();
        Report { ready: checks.iter().all(|check| check.ok), checks }
    }
}

impl Outcome {
    fn new(name: &'static str, result: Result<(), Reason>) -> Self {
        Self { name, ok: result.is_ok(), reason: result.err() }
    }
}

impl Check {
    pub fn pass(&self) {
        self.set(Ok(()));
    }

    pub fn fail(&self, reason: impl Into<Reason>) {
        self.set(Err(reason.into()));
    }

    fn set(&self, result: Result<(), Reason>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = result;
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_every_check_passes() {
        let readiness = Readiness::default();
        let store = readiness.check("store", "the store is being opened");
        readiness.probe("disk", || Ok(()));
        let opening = Some("the store is being opened".to_owned());
        let expected = vec![
            Outcome { name: "store", ok: false, reason: opening },
            Outcome { name: "disk", ok: true, reason: None },
        ];
        assert_eq!(readiness.report(), Report { ready: false, checks: expected });
        store.pass();
        assert!(readiness.report().ready);
        store.fail("the store was closed");
        assert!(!readiness.report().ready);
    }
}
