//! The messages that were processed: a bounded memory of `(from, id)`. Pure.

use std::collections::{HashMap, VecDeque};

use protocol::envelope::MessageId;
use protocol::{Did, UnixSeconds};

/// What a message is known by.
pub(crate) type Key = (Did, MessageId);

/// Messages remembered, about 16 MiB. Beyond it the oldest is forgotten, and a relay that replays it would succeed; an honest one
/// does not.
pub(crate) const SEEN_MAX: usize = 65_536;

pub(crate) struct Seen {
    until: HashMap<Key, UnixSeconds>,
    order: VecDeque<Key>,
}

impl Seen {
    pub(crate) fn new() -> Self {
        Self { until: HashMap::new(), order: VecDeque::new() }
    }

    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.until.contains_key(key)
    }

    pub(crate) fn insert(&mut self, key: Key, until: UnixSeconds, now: UnixSeconds) {
        if self.until.insert(key.clone(), until).is_none() {
            self.order.push_back(key);
        }
        self.forget_expired(now);
        while self.order.len() > SEEN_MAX {
            self.forget_oldest();
        }
    }

    /// In the order in which they were processed.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Key, UnixSeconds)> {
        self.order.iter().filter_map(|key| self.until.get(key).map(|until| (key, *until)))
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// From the front only: entries with equal lifetimes expire in order, others wait a little longer.
    fn forget_expired(&mut self, now: UnixSeconds) {
        while self.order.front().and_then(|key| self.until.get(key)).is_some_and(|until| *until < now) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(key) = self.order.pop_front() {
            self.until.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::envelope::MessageId;

    use super::*;

    fn key(n: u64) -> Key {
        ("did:wba:localhost:agent:bob".parse().unwrap(), MessageId::new(n, [0; 10]))
    }

    #[test]
    fn a_message_is_forgotten_once_it_would_be_refused_as_too_old() {
        let mut seen = Seen::new();
        seen.insert(key(1), 100, 50);
        seen.insert(key(2), 300, 100);
        assert!(seen.contains(&key(1)), "100 is still its last second");
        seen.insert(key(3), 300, 101);
        assert!(!seen.contains(&key(1)) && seen.contains(&key(2)));
    }

    #[test]
    fn a_full_memory_forgets_the_oldest() {
        let mut seen = Seen::new();
        let count = u64::try_from(SEEN_MAX).unwrap() + 1;
        (0..count).for_each(|n| seen.insert(key(n), u64::MAX, 0));
        assert_eq!(seen.len(), SEEN_MAX);
        assert!(!seen.contains(&key(0)) && seen.contains(&key(1)));
    }
}
