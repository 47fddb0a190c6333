//! A bounded map of things that end by themselves: sessions of browsers, sign-ins on their way, fetched documents.

use std::collections::{BTreeSet, HashMap};

use protocol::UnixSeconds;

use super::secret::SecretHash;

/// At most `max` entries; when full, the one that ends first makes room.
#[derive(Debug)]
pub(super) struct Expiring<T> {
    max: usize,
    entries: HashMap<SecretHash, (UnixSeconds, T)>,
    ends: BTreeSet<(UnixSeconds, SecretHash)>,
}

impl<T> Expiring<T> {
    pub(super) fn new(max: usize) -> Self {
        Self { max, entries: HashMap::new(), ends: BTreeSet::new() }
    }

    pub(super) fn insert(&mut self, key: SecretHash, value: T, expires: UnixSeconds, now: UnixSeconds) {
        self.remove(&key);
        while let Some(&(end, first)) = self.ends.first() {
            if end > now && self.entries.len() < self.max {
                break;
            }
            self.remove(&first);
        }
        self.ends.insert((expires, key));
        self.entries.insert(key, (expires, value));
    }

    pub(super) fn get(&self, key: &SecretHash, now: UnixSeconds) -> Option<&T> {
        self.entries.get(key).filter(|(expires, _)| *expires > now).map(|(_, value)| value)
    }

    /// What was there, also when it has ended.
    pub(super) fn remove(&mut self, key: &SecretHash) -> Option<(UnixSeconds, T)> {
        let (expires, value) = self.entries.remove(key)?;
        self.ends.remove(&(expires, *key));
        Some((expires, value))
    }

    /// What was there and has not ended.
    pub(super) fn take(&mut self, key: &SecretHash, now: UnixSeconds) -> Option<T> {
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
    fn the_first_to_end_makes_room() {
        let mut map = Expiring::new(2);
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
        fn it_never_holds_more_than_it_may(steps in prop::collection::vec((0..20u8, 0..50u64, 0..50u64), 0..60)) {
            let mut map = Expiring::new(5);
            for (number, expires, now) in steps {
                map.insert(key(number), number, expires, now);
                prop_assert!(map.len() <= 5);
                prop_assert_eq!(map.entries.len(), map.ends.len());
            }
        }
    }
}
