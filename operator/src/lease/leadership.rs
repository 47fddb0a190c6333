//! The term in which this replica leads, and the way to give it up.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use protocol::admin::Term;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::WriteFence;

/// Shortest time between two resignations. A relay that always answers `stale_term`, because it
/// was taken over, must not stop the operator's work at all others.
const RESIGNATION_INTERVAL: Duration = Duration::from_secs(60);

/// Whether and in which term this replica leads.
///
/// The election sets the term. Everybody who writes to a relay reads it, and a relay that answers
/// `stale_term` makes this replica resign.
#[derive(Debug)]
pub struct Leadership {
    term: watch::Sender<Option<Term>>,
    fence: WriteFence,
    last_resignation: Mutex<Option<Instant>>,
    resigned: Notify,
}

impl Default for Leadership {
    fn default() -> Self {
        Self::new(WriteFence::default())
    }
}

impl Leadership {
    /// `fence` closes when the lease was not renewed in time. The term ends with it, also in a
    /// process that was frozen meanwhile.
    #[must_use]
    pub fn new(fence: WriteFence) -> Self {
        let term = watch::Sender::new(None);
        Self { term, fence, last_resignation: Mutex::default(), resigned: Notify::new() }
    }

    /// The current term. `None`: this replica does not lead, and must not write to a relay.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        let term = *self.term.borrow();
        term.filter(|_| self.fence.allows_writes())
    }

    /// Tells when a term begins or ends. Two terms of one replica differ.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Option<Term>> {
        self.term.subscribe()
    }

    /// Sets the term. `None` ends it.
    pub fn set_term(&self, term: Option<Term>) {
        self.term.send_if_modified(|current| std::mem::replace(current, term) != term);
    }

    /// Ends the term, and makes the election read the lease again. If this replica still holds it,
    /// it begins a new term. Does nothing if it resigned a short time ago.
    pub fn resign(&self) {
        let now = Instant::now();
        let mut last = self.last_resignation.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| now.saturating_duration_since(last) < RESIGNATION_INTERVAL) {
            return;
        }
        *last = Some(now);
        self.set_term(None);
        self.resigned.notify_one();
    }

    /// Waits for [`Leadership::resign`]. Cancel safe.
    pub async fn resigned(&self) {
        self.resigned.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const TERM: Term = Term { lease_created: 1, transitions: 2 };

    #[tokio::test(start_paused = true)]
    async fn a_term_ends_with_the_fence_even_if_nobody_ends_it() {
        let fence = WriteFence::default();
        let leadership = Leadership::new(fence.clone());
        leadership.set_term(Some(TERM));
        assert_eq!(leadership.term(), None, "the fence is closed");
        fence.allow_until(Instant::now() + Duration::from_secs(10));
        assert_eq!(leadership.term(), Some(TERM));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(leadership.term(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_relay_cannot_make_the_operator_resign_all_the_time() {
        let leadership = Leadership::default();
        leadership.set_term(Some(TERM));
        leadership.resign();
        assert_eq!(*leadership.subscribe().borrow(), None);
        assert!(leadership.resigned().now_or_never().is_some());
        leadership.set_term(Some(TERM));
        tokio::time::advance(Duration::from_secs(59)).await;
        leadership.resign();
        assert!(leadership.resigned().now_or_never().is_none());
        assert_eq!(*leadership.subscribe().borrow(), Some(TERM));
        tokio::time::advance(Duration::from_secs(1)).await;
        leadership.resign();
        assert!(leadership.resigned().now_or_never().is_some());
    }
}
