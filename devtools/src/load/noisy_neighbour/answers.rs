//! Counts what the relay answered the attacker: what it accepted, and by which limit it refused.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::Reason;
use protocol::quota::Quota;
use tokio::sync::Notify;

/// Answers by their word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    accepted: u64,
    refused: BTreeMap<String, u64>,
}

/// The answers so far, of all tasks of the attacker.
#[derive(Debug, Default)]
pub struct SharedAnswers {
    counts: Mutex<Answers>,
    /// There is a new answer, or the attacker has ended.
    changed: Notify,
}

impl SharedAnswers {
    pub fn accept(&self) {
        self.counts().accept();
        self.notify();
    }

    pub fn refuse(&self, word: &str) {
        self.counts().refuse(word);
        self.notify();
    }

    pub fn add(&self, answers: &Answers) {
        self.counts().add(answers);
        self.notify();
    }

    pub fn notify(&self) {
        self.changed.notify_one();
    }

    /// Returns when something has changed since the last call.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    #[must_use]
    pub fn so_far(&self) -> Answers {
        self.counts().clone()
    }

    fn counts(&self) -> MutexGuard<'_, Answers> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The relay ended the connection and said nothing.
pub const CLOSED: &str = "closed without an answer";

impl Answers {
    pub fn accept(&mut self) {
        self.accepted += 1;
    }

    pub fn refuse(&mut self, word: &str) {
        match self.refused.get_mut(word) {
            Some(count) => *count += 1,
            None => drop(self.refused.insert(word.to_owned(), 1)),
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        for (word, count) in &other.refused {
            *self.refused.entry(word.clone()).or_default() += count;
        }
    }

    #[must_use]
    pub const fn accepted(&self) -> u64 {
        self.accepted
    }

    /// All refusals.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Refusals with this word.
    #[must_use]
    pub fn refused_by(&self, word: &str) -> u64 {
        self.refused.get(word).copied().unwrap_or_default()
    }
}

/// The quota of a refusal, or its reason where it names none.
#[must_use]
pub fn word_of(reason: Reason, quota: Option<Quota>) -> &'static str {
    quota.map_or_else(|| reason.as_str(), |quota| quota.name.as_str())
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accepted", self.accepted)?;
        self.refused.iter().try_for_each(|(word, count)| write!(f, ", {count} {word}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_added_by_their_words() {
        let (mut all, mut one) = (Answers::default(), Answers::default());
        one.accept();
        one.refuse(CLOSED);
        one.refuse("sends_burst");
        all.add(&one);
        all.add(&one);
        assert_eq!((all.accepted(), all.refused(), all.refused_by("sends_burst")), (2, 4, 2));
        assert_eq!(all.to_string(), "2 accepted, 2 closed without an answer, 2 sends_burst");
    }
}
