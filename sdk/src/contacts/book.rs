//! Records and pins in memory, and the rule for what may replace what. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::record::VerifiedRecord;
use protocol::{Did, UnixSeconds};

/// Records kept, at most some MiB; the one looked up longest ago makes room.
const RECORDS_MAX: usize = 1024;
/// Root keys kept. Beyond it new agents are refused: forgetting a pin would let somebody change a key unseen.
const PINS_MAX: usize = 65_536;

pub(crate) type RootKey = [u8; 32];

pub(crate) struct Book {
    records: HashMap<Did, Entry>,
    pins: HashMap<Did, RootKey>,
}

struct Entry {
    record: Arc<VerifiedRecord>,
    looked_up: UnixSeconds,
}

/// What a record just looked up changed.
pub(crate) enum Learned {
    /// The record to use: this one, or the newer one known.
    Known(Arc<VerifiedRecord>),
    /// First sight: its root key is pinned now.
    Pinned(Arc<VerifiedRecord>),
    /// Another root key than the pinned one; nothing was changed.
    KeyChanged,
    /// No room for another pin.
    Full,
}

impl Book {
    pub(crate) fn new(pins: HashMap<Did, RootKey>) -> Self {
        Self { records: HashMap::new(), pins }
    }

    pub(crate) fn get(&self, did: &Did, now: UnixSeconds, age_max: u64) -> Option<Arc<VerifiedRecord>> {
        let entry = self.records.get(did)?;
        (now.saturating_sub(entry.looked_up) <= age_max).then(|| Arc::clone(&entry.record))
    }

    pub(crate) fn learn(&mut self, record: VerifiedRecord, now: UnixSeconds) -> Learned {
        let root = *record.keys.root.as_bytes();
        match self.pins.get(&record.did) {
            Some(pinned) if *pinned != root => Learned::KeyChanged,
            Some(_) => Learned::Known(self.keep(record, now)),
            None if self.pins.len() >= PINS_MAX => Learned::Full,
            None => {
                self.pins.insert(record.did.clone(), root);
                Learned::Pinned(self.keep(record, now))
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

    /// An older record never replaces a newer one, so that a relay cannot bring back a key that was rotated away.
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
        let (mut book, identity) = (Book::new(HashMap::new()), identity());
        assert!(matches!(book.learn(record(&identity, 1), 10), Learned::Pinned(_)));
        assert!(matches!(book.learn(record(&identity, 2), 20), Learned::Known(_)));
    }

    #[test]
    fn a_changed_root_key_is_refused_until_the_old_one_is_forgotten() {
        let mut book = Book::new(HashMap::new());
        book.learn(record(&identity(), 1), 10);
        let other = identity();
        assert!(matches!(book.learn(record(&other, 2), 20), Learned::KeyChanged));
        assert!(book.forget(&bob()));
        assert!(matches!(book.learn(record(&other, 2), 20), Learned::Pinned(_)));
    }

    #[test]
    fn an_older_record_does_not_replace_a_newer_one() {
        let (mut book, mut identity) = (Book::new(HashMap::new()), identity());
        let old = record(&identity, 1);
        identity.rotate(5, &mut rand::rng());
        book.learn(record(&identity, 5), 10);
        let Learned::Known(used) = book.learn(old, 20) else { panic!("the agent is known") };
        assert_eq!(used.keys.created, 5);
        assert!(book.get(&bob(), 620, 600).is_some(), "it was looked up at 20");
    }

    #[test]
    fn a_record_ages() {
        let (mut book, identity) = (Book::new(HashMap::new()), identity());
        book.learn(record(&identity, 1), 10);
        assert!(book.get(&bob(), 610, 600).is_some());
        assert!(book.get(&bob(), 611, 600).is_none());
        assert!(book.get(&bob(), 99_999, u64::MAX).is_some());
    }
}
