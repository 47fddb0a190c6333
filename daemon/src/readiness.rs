//! Decides by a list of named checks whether this process should get traffic. A failed check takes
//! the process out of rotation; it never restarts it, because being ready and being alive are
//! different things.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// Why a check does not pass: a sentence for the person who reads `/readyz`, without secrets.
pub type Reason = String;

/// Passed, perhaps with a remark, or failed.
type State = Result<Option<Reason>, Reason>;

type Probe = Box<dyn Fn() -> State + Send + Sync>;

/// The checks of one process. A process without checks is ready. Cheap to clone; clones share the
/// checks.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<Vec<(&'static str, Probe)>>>);

/// A check that its owner sets. It fails until the first [`Check::pass`].
#[derive(Debug, Clone)]
pub struct Check(Arc<Mutex<State>>);

/// The response of `/readyz`.
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
        self.add(name, move || read.lock().unwrap_or_else(PoisonError::into_inner).clone());
        Check(state)
    }

    /// Adds a check that runs at every request; it must return at once.
    pub fn probe(&self, name: &'static str, run: impl Fn() -> Result<(), Reason> + Send + Sync + 'static) {
        self.add(name, move || run().map(|()| None));
    }

    fn add(&self, name: &'static str, run: impl Fn() -> State + Send + Sync + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((name, Box::new(run)));
    }

    /// Runs all checks.
    #[must_use]
    pub fn report(&self) -> Report {
        let checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let checks: Vec<_> = checks.iter().map(|(name, run)| Outcome::new(name, run())).collect();
        Report { ready: checks.iter().all(|check| check.ok), checks }
    }
}

impl Outcome {
    fn new(name: &'static str, state: State) -> Self {
        let (ok, reason) = match state {
            Ok(remark) => (true, remark),
            Err(reason) => (false, Some(reason)),
        };
        Self { name, ok, reason }
    }
}

impl Check {
    pub fn pass(&self) {
        self.set(Ok(None));
    }

    /// Passes with a remark, which `/readyz` shows: the process should get traffic although
    /// something is wrong, because it reports that to its callers itself.
    pub fn pass_with(&self, remark: impl Into<Reason>) {
        self.set(Ok(Some(remark.into())));
    }

    pub fn fail(&self, reason: impl Into<Reason>) {
        self.set(Err(reason.into()));
    }

    fn set(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
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

    #[test]
    fn a_remark_is_shown_and_takes_nothing_out_of_rotation() {
        let readiness = Readiness::default();
        readiness.check("relay", "connecting").pass_with("suspended");
        let check = Outcome { name: "relay", ok: true, reason: Some("suspended".to_owned()) };
        assert_eq!(readiness.report(), Report { ready: true, checks: vec![check] });
    }
}
