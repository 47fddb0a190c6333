//! Caches records and pinned root keys, and decides which record may replace which. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::record::VerifiedRecord;
use protocol::{Did, UnixSeconds};

/// Records in the cache, a few MiB. The record that was looked up longest ago is evicted first.
const RECORDS_MAX: usize = 1024;
/// Pinned root keys. Beyond it new agents are refused, because evicting a pin would hide a changed
/// key.
const PINS_MAX: usize = 65_536;

pub(crate) type RootKey = [u8; 32];

pub(crate) struct RecordCache {
    records: HashMap<Did, Entry>,
    pins: HashMap<Did, RootKey>,
}

struct Entry {
    record: Arc<VerifiedRecord>,
    looked_up: UnixSeconds,
}

/// The effect of a record that was just looked up.
pub(crate) enum RecordUpdate {
    /// The agent was known. This is the record to use: the new one, or a cached one that is newer.
    Known(Arc<VerifiedRecord>),
    /// The agent was unknown; its root key is pinned now.
    Pinned(Arc<VerifiedRecord>),
    /// The root key differs from the pinned one. Nothing was changed.
    KeyChanged,
    /// The table of pins is full.
    Full,
}

impl RecordCache {
    pub(crate) fn new(pins: HashMap<Did, RootKey>) -> Self {
        Self { records: HashMap::new(), pins }
    }

    pub(crate) fn get(
        &self,
        did: &Did,
        now: UnixSeconds,
        age_seconds_max: u64,
    ) -> Option<Arc<VerifiedRecord>> {
        let entry = self.records.get(did)?;
        (now.saturating_sub(entry.looked_up) <= age_seconds_max).then(|| Arc::clone(&entry.record))
    }

    pub(crate) fn update(&mut self, record: VerifiedRecord, now: UnixSeconds) -> RecordUpdate {
        let root = *record.keys.root.as_bytes();
        match self.pins.get(&record.did) {
            Some(pinned) if *pinned != root => RecordUpdate::KeyChanged,
            Some(_) => RecordUpdate::Known(self.keep(record, now)),
            None if self.pins.len() >= PINS_MAX => RecordUpdate::Full,
            None => {
                self.pins.insert(record.did.clone(), root);
                RecordUpdate::Pinned(self.keep(record, now))
            }
        }
    }

    pub(crate) fn forget(&mut self, did: &Did) -> bool {
        self.records.remove(did);
        self.pins.remove(did).is_some()
    }

    pub(crate) fn pins(&self) -> &HashMap<Did, RootKey> {
        &self.pins
    }

    /// An older record never replaces a newer one, so that a relay cannot bring back a rotated key.
    fn keep(&mut self, record: VerifiedRecord, now: UnixSeconds) -> Arc<VerifiedRecord> {
        if let Some(entry) = self.records.get_mut(&record.did)
            && entry.record.keys.created > record.keys.created
        {
            entry.looked_up = now;
            return Arc::clone(&entry.record);
        }
        if self.records.len() >= RECORDS_MAX && !self.records.contains_key(&record.did) {
            self.evict();
        }
        let record = Arc::new(record);
        self.records.insert(record.did.clone(), Entry { record: Arc::clone(&record), looked_up: now });
        record
    }

    fn evict(&mut self) {
        let oldest = self.records.iter().min_by_key(|(_, e)| e.looked_up).map(|(did, _)| did.clone());
        if let Some(oldest) = oldest {
            self.records.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::Identity;
    use protocol::record::{Card, build};

    use super::*;

    fn bob() -> Did {
        "did:wba:localhost:agent:bob".parse().unwrap()
    }

    fn identity() -> Identity {
        Identity::generate(bob(), 1, &mut rand::rng())
    }

    fn record(identity: &Identity, at: UnixSeconds) -> VerifiedRecord {
        VerifiedRecord::parse(&build(identity, Card::default(), None, at).unwrap(), &bob()).unwrap()
    }

    #[test]
    fn first_sight_pins_the_root_key() {
        let (mut cache, identity) = (RecordCache::new(HashMap::new()), identity());
        assert!(matches!(cache.update(record(&identity, 1), 10), RecordUpdate::Pinned(_)));
        assert!(matches!(cache.update(record(&identity, 2), 20), RecordUpdate::Known(_)));
    }

    #[test]
    fn a_changed_root_key_is_refused_until_the_old_one_is_forgotten() {
        let mut cache = RecordCache::new(HashMap::new());
        cache.update(record(&identity(), 1), 10);
        let other = identity();
        assert!(matches!(cache.update(record(&other, 2), 20), RecordUpdate::KeyChanged));
        assert!(cache.forget(&bob()));
        assert!(matches!(cache.update(record(&other, 2), 20), RecordUpdate::Pinned(_)));
    }

    #[test]
    fn an_older_record_does_not_replace_a_newer_one() {
        let (mut cache, mut identity) = (RecordCache::new(HashMap::new()), identity());
        let old = record(&identity, 1);
        identity.rotate(5, &mut rand::rng());
        cache.update(record(&identity, 5), 10);
        let RecordUpdate::Known(used) = cache.update(old, 20) else { panic!("the agent is known") };
        assert_eq!(used.keys.created, 5);
        assert!(cache.get(&bob(), 620, 600).is_some(), "it was looked up at 20");
    }

    #[test]
    fn a_record_ages() {
        let (mut cache, identity) = (RecordCache::new(HashMap::new()), identity());
        cache.update(record(&identity, 1), 10);
        assert!(cache.get(&bob(), 610, 600).is_some());
        assert!(cache.get(&bob(), 611, 600).is_none());
        assert!(cache.get(&bob(), 99_999, u64::MAX).is_some());
    }
}
