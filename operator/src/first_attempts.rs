//! Remembers when this process first asked a relay to delete the content of an object.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// When this process first asked for each deletion, by the uid of the object. An entry lives until
/// the object is let go.
#[derive(Debug, Default)]
pub struct FirstAttempts(Mutex<HashMap<String, jiff::Timestamp>>);

impl FirstAttempts {
    /// The time since the first attempt. `counts` says whether an attempt now is one that counts.
    pub(crate) fn waited(&self, uid: &str, counts: bool, now: jiff::Timestamp) -> Option<Duration> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = match map.get(uid) {
            Some(first) => *first,
            None if counts => *map.entry(uid.to_owned()).or_insert(now),
            None => return None,
        };
        // A clock that was set back makes the wait longer, never shorter.
        Some(Duration::try_from(now.duration_since(first)).unwrap_or_default())
    }

    /// Forgets all attempts, when a term begins: those of a former term do not count.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_counts_from_the_first_attempt_of_this_process_that_counts() {
        let attempts = FirstAttempts::default();
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        assert_eq!(attempts.waited("a", false, at(100)), None, "the relay was not contacted");
        assert_eq!(attempts.waited("a", true, at(200)), Some(Duration::ZERO));
        assert_eq!(attempts.waited("a", true, at(260)), Some(Duration::from_secs(60)));
        assert_eq!(attempts.waited("a", false, at(270)), Some(Duration::from_secs(70)), "it was lost again");
        assert_eq!(attempts.waited("b", true, at(270)), Some(Duration::ZERO));
        assert_eq!(attempts.waited("a", true, at(50)), Some(Duration::ZERO), "the clock was set back");
        attempts.forget("a");
        assert_eq!(attempts.waited("a", false, at(300)), None);
    }
}
