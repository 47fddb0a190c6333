//! A bounded map whose entries expire: browser sessions, pending sign-ins, fetched client
//! documents.

use std::collections::{BTreeSet, HashMap};

use protocol::UnixSeconds;

use crate::secret::SecretHash;

/// At most `capacity` entries. When full, the entry that expires first is evicted.
#[derive(Debug)]
pub(crate) struct ExpiringMap<T> {
    capacity: usize,
    entries: HashMap<SecretHash, (UnixSeconds, T)>,
    by_expiry: BTreeSet<(UnixSeconds, SecretHash)>,
}

impl<T> ExpiringMap<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, entries: HashMap::new(), by_expiry: BTreeSet::new() }
    }

    pub(crate) fn insert(&mut self, key: SecretHash, value: T, expires: UnixSeconds, now: UnixSeconds) {
        self.remove(&key);
        while let Some(&(expires_first, first)) = self.by_expiry.first() {
            if expires_first > now && self.entries.len() < self.capacity {
                break;
            }
            self.remove(&first);
        }
        self.by_expiry.insert((expires, key));
        self.entries.insert(key, (expires, value));
    }

    pub(crate) fn get(&self, key: &SecretHash, now: UnixSeconds) -> Option<&T> {
        self.entries.get(key).filter(|(expires, _)| *expires > now).map(|(_, value)| value)
    }

    /// The removed entry, even if it has expired.
    pub(crate) fn remove(&mut self, key: &SecretHash) -> Option<(UnixSeconds, T)> {
        let (expires, value) = self.entries.remove(key)?;
        self.by_expiry.remove(&(expires, *key));
        Some((expires, value))
    }

    /// The removed entry, unless it has expired.
    pub(crate) fn take(&mut self, key: &SecretHash, now: UnixSeconds) -> Option<T> {
        self.remove(key).filter(|(expires, _)| *expires > now).map(|(_, value)| value)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> SecretHash {
        SecretHash::of(&number.to_string())
    }

    #[test]
    fn the_entry_that_expires_first_is_evicted() {
        let mut map = ExpiringMap::new(2);
        map.insert(key(1), 1, 30, 0);
        map.insert(key(2), 2, 20, 0);
        map.insert(key(3), 3, 40, 0);
        assert_eq!(
            (map.get(&key(1), 0), map.get(&key(2), 0), map.get(&key(3), 0)),
            (Some(&1), None, Some(&3))
        );
        assert_eq!(map.get(&key(1), 30), None);
        assert_eq!((map.take(&key(3), 39), map.take(&key(3), 39)), (Some(3), None));
    }

    proptest! {
        #[test]
        fn the_map_never_exceeds_its_capacity(steps in prop::collection::vec((0..20u8, 0..50u64, 0..50u64), 0..60)) {
            let mut map = ExpiringMap::new(5);
            for (number, expires, now) in steps {
                map.insert(key(number), number, expires, now);
                prop_assert!(map.len() <= 5);
                prop_assert_eq!(map.entries.len(), map.by_expiry.len());
            }
        }
    }
}
