//! Deduplicates messages: a bounded table of the `(from, id)` of processed messages.

use std::collections::{HashMap, VecDeque};

use protocol::envelope::MessageId;
use protocol::{Did, UnixSeconds};

/// Identifies a message: ids are unique per sender.
pub type MessageKey = (Did, MessageId);

/// Messages remembered unless the settings say otherwise, about 16 MiB. Beyond it the oldest entry
/// is evicted. A malicious relay could then replay that message.
pub const DEDUP_ENTRIES_MAX: usize = 65_536;

#[derive(Debug)]
pub struct DedupTable {
    until: HashMap<MessageKey, UnixSeconds>,
    order: VecDeque<MessageKey>,
    entries_max: usize,
}

impl Default for DedupTable {
    fn default() -> Self {
        Self::new()
    }
}

impl DedupTable {
    /// An empty table for [`DEDUP_ENTRIES_MAX`] messages.
    #[must_use]
    pub fn new() -> Self {
        Self::with_entries_max(DEDUP_ENTRIES_MAX)
    }

    /// An empty table for this many messages.
    #[must_use]
    pub fn with_entries_max(entries_max: usize) -> Self {
        Self { until: HashMap::new(), order: VecDeque::new(), entries_max }
    }

    #[must_use]
    pub fn entries_max(&self) -> usize {
        self.entries_max
    }

    #[must_use]
    pub fn contains(&self, key: &MessageKey) -> bool {
        self.until.contains_key(key)
    }

    /// Remembers a message. A copy of it that comes later than `until` is refused as too old
    /// anyway.
    pub fn insert(&mut self, key: MessageKey, until: UnixSeconds, now: UnixSeconds) {
        if self.until.insert(key.clone(), until).is_none() {
            self.order.push_back(key);
        }
        self.forget_expired(now);
        while self.order.len() > self.entries_max {
            self.forget_oldest();
        }
    }

    /// The entries, in the order in which they were processed.
    pub fn entries(&self) -> impl Iterator<Item = (&MessageKey, UnixSeconds)> {
        self.order.iter().filter_map(|key| self.until.get(key).map(|until| (key, *until)))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Looks at the front only. Entries of equal lifetime expire in order; others are kept a little
    /// longer.
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

    fn key(n: u64) -> MessageKey {
        ("did:wba:localhost:agent:bob".parse().unwrap(), MessageId::new(n, [0; 10]))
    }

    #[test]
    fn a_message_is_forgotten_once_it_would_be_refused_as_too_old() {
        let mut table = DedupTable::new();
        table.insert(key(1), 100, 50);
        table.insert(key(2), 300, 100);
        assert!(table.contains(&key(1)), "100 is still its last second");
        table.insert(key(3), 300, 101);
        assert!(!table.contains(&key(1)) && table.contains(&key(2)));
    }

    #[test]
    fn a_full_memory_forgets_the_oldest() {
        for entries_max in [3, DEDUP_ENTRIES_MAX] {
            let mut table = DedupTable::with_entries_max(entries_max);
            let count = u64::try_from(entries_max).unwrap() + 1;
            (0..count).for_each(|n| table.insert(key(n), u64::MAX, 0));
            assert_eq!(table.len(), entries_max);
            assert!(!table.contains(&key(0)) && table.contains(&key(1)));
        }
    }
}
