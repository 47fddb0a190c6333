//! The term in which this replica leads, and the way to give it up.

use std::sync::{Mutex, PoisonError};

use protocol::admin::Term;
use tokio::sync::Notify;

/// Whether and in which term this replica leads.
///
/// The election sets the term. Everybody who writes to a relay reads it, and a relay that answers
/// `stale_term` makes this replica resign.
#[derive(Debug, Default)]
pub struct Leadership {
    term: Mutex<Option<Term>>,
    resigned: Notify,
}

impl Leadership {
    /// The current term. `None`: this replica does not lead.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        *self.term.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_term(&self, term: Option<Term>) {
        *self.term.lock().unwrap_or_else(PoisonError::into_inner) = term;
    }

    /// Makes the election give up the lease.
    pub fn resign(&self) {
        self.set_term(None);
        self.resigned.notify_one();
    }

    /// Waits for [`Leadership::resign`]. Cancel safe.
    pub async fn resigned(&self) {
        self.resigned.notified().await;
    }
}
