//! Caches records and pinned root keys, and decides which record may replace which. Pure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::record::VerifiedRecord;
use protocol::{Did, UnixSeconds};

/// Records in the cache unless the settings say otherwise, a few MiB. The record that was looked up
/// longest ago is evicted first.
pub(crate) const RECORDS_MAX: usize = 1024;
/// Pinned root keys. Beyond it new agents are refused, because evicting a pin would hide a changed
/// key.
const PINS_MAX: usize = 65_536;
/// How often a message that does not verify may cause a lookup of its claimed sender. A sender that
/// rotates its keys needs one.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);

pub(crate) type RootKey = [u8; 32];

/// What is remembered of an agent for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) root: RootKey,
    /// The time of its newest record that was seen.
    pub(crate) created: UnixSeconds,
}

pub(crate) struct RecordCache {
    records: HashMap<Did, Entry>,
    records_max: usize,
    pins: HashMap<Did, Pin>,
    /// Root keys that the application was given, which are known to be right.
    anchors: HashMap<Did, RootKey>,
}

struct Entry {
    record: Arc<VerifiedRecord>,
    /// `None` after the machine slept for an unknown time.
    looked_up: Option<Instant>,
    /// When a message that does not verify last caused a lookup.
    refreshed: Option<Instant>,
}

/// What a record that was just looked up means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordCheck {
    /// The agent is known, and this record is not new.
    Known,
    /// The record is newer than all before, or of an unknown agent. This pin must be written before
    /// the record is used.
    Newer(Pin),
    /// A newer record was seen before. The relay brings back old keys.
    Older,
    /// The administrator of the agent's relay replaced the pinned root key by this one, and is
    /// trusted to. This pin must be written before the record is used.
    Replaced(Pin),
    /// The root key differs from the pinned one or from the anchor.
    KeyChanged,
    /// The table of pins is full.
    Full,
}

impl RecordCache {
    pub(crate) fn new(pins: HashMap<Did, Pin>, anchors: HashMap<Did, RootKey>, records_max: usize) -> Self {
        Self { records: HashMap::new(), records_max, pins, anchors }
    }

    /// The record, if it was looked up at most `age_max` ago.
    pub(crate) fn get(&self, did: &Did, now: Instant, age_max: Duration) -> Option<Arc<VerifiedRecord>> {
        let entry = self.records.get(did)?;
        let age = now.saturating_duration_since(entry.looked_up?);
        (age <= age_max).then(|| Arc::clone(&entry.record))
    }

    /// Whether a message that does not verify may cause a lookup of its sender now. `age_min` is
    /// how old the cached record must be.
    pub(crate) fn may_refresh(&mut self, did: &Did, now: Instant, age_min: Duration) -> bool {
        let Some(entry) = self.records.get_mut(did) else { return true };
        let since = |earlier: Option<Instant>| earlier.map(|at| now.saturating_duration_since(at));
        let too_young = since(entry.looked_up).is_some_and(|age| age < age_min);
        let too_soon = since(entry.refreshed).is_some_and(|age| age < REFRESH_INTERVAL);
        if too_young || too_soon {
            return false;
        }
        entry.refreshed = Some(now);
        true
    }

    /// Makes the record of this agent old.
    pub(crate) fn expire(&mut self, did: &Did) {
        if let Some(entry) = self.records.get_mut(did) {
            entry.looked_up = None;
        }
    }

    /// Makes every record old, because the machine slept for an unknown time.
    pub(crate) fn expire_all(&mut self) {
        self.records.values_mut().for_each(|entry| entry.looked_up = None);
    }

    /// `replaceable` are the root keys in whose place this record's may be accepted.
    pub(crate) fn check(&self, record: &VerifiedRecord, replaceable: &[RootKey]) -> RecordCheck {
        let (root, created) = (*record.keys.root.as_bytes(), record.keys.created);
        if self.anchors.get(&record.did).is_some_and(|anchor| *anchor != root) {
            return RecordCheck::KeyChanged;
        }
        match self.pins.get(&record.did) {
            Some(pin) if pin.root != root && !self.anchors.contains_key(&record.did) => {
                let is_announced = replaceable.contains(&pin.root);
                if is_announced {
                    RecordCheck::Replaced(Pin { root, created })
                } else {
                    RecordCheck::KeyChanged
                }
            }
            Some(pin) if pin.root == root && created < pin.created => RecordCheck::Older,
            Some(pin) if pin.root == root && created == pin.created => RecordCheck::Known,
            None if self.pins.len() >= PINS_MAX => RecordCheck::Full,
            Some(_) | None => RecordCheck::Newer(Pin { root, created }),
        }
    }

    /// Keeps a record that was checked, and returns the one to use.
    pub(crate) fn insert(
        &mut self,
        record: VerifiedRecord,
        pin: Option<Pin>,
        now: Instant,
    ) -> Arc<VerifiedRecord> {
        if let Some(pin) = pin {
            self.pins.insert(record.did.clone(), pin);
        }
        if self.records.len() >= self.records_max && !self.records.contains_key(&record.did) {
            self.evict();
        }
        let (did, record) = (record.did.clone(), Arc::new(record));
        let refreshed = self.records.get(&did).and_then(|entry| entry.refreshed);
        let entry = Entry { record: Arc::clone(&record), looked_up: Some(now), refreshed };
        self.records.insert(did, entry);
        record
    }

    /// The newer record of an agent of which the relay has just given an older one.
    pub(crate) fn keep_newer(&mut self, older: &VerifiedRecord, now: Instant) -> Option<Arc<VerifiedRecord>> {
        let entry = self.records.get_mut(&older.did)?;
        if entry.record.keys.created <= older.keys.created {
            return None;
        }
        entry.looked_up = Some(now);
        Some(Arc::clone(&entry.record))
    }

    /// Whether the root key of this agent was given by the application.
    pub(crate) fn is_anchored(&self, did: &Did) -> bool {
        self.anchors.contains_key(did)
    }

    /// The root key that this agent is known by.
    #[cfg(feature = "direct")]
    pub(crate) fn root_key(&self, did: &Did) -> Option<RootKey> {
        self.anchors.get(did).copied().or_else(|| self.pins.get(did).map(|pin| pin.root))
    }

    pub(crate) fn forget(&mut self, did: &Did) -> bool {
        self.records.remove(did);
        self.pins.remove(did).is_some()
    }

    pub(crate) fn pins(&self) -> &HashMap<Did, Pin> {
        &self.pins
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

    fn cache() -> RecordCache {
        RecordCache::new(HashMap::new(), HashMap::new(), RECORDS_MAX)
    }

    fn learn(cache: &mut RecordCache, record: VerifiedRecord, now: Instant) -> RecordCheck {
        let check = cache.check(&record, &[]);
        match check {
            RecordCheck::Known => drop(cache.insert(record, None, now)),
            RecordCheck::Newer(pin) => drop(cache.insert(record, Some(pin), now)),
            _ => {}
        }
        check
    }

    #[test]
    fn a_full_cache_forgets_the_record_that_was_looked_up_first_and_keeps_every_pin() {
        let (mut cache, start) = (RecordCache::new(HashMap::new(), HashMap::new(), 2), Instant::now());
        let dids =
            ["a", "b", "c"].map(|name| -> Did { format!("did:wba:localhost:agent:{name}").parse().unwrap() });
        for (did, second) in dids.iter().zip(0..) {
            let identity = Identity::generate(did.clone(), 1, &mut rand::rng());
            let bytes = build(&identity, Card::default(), None, 1).unwrap();
            let record = VerifiedRecord::parse(&bytes, did).unwrap();
            learn(&mut cache, record, start + Duration::from_secs(second));
        }
        let found = dids.each_ref().map(|did| cache.get(did, start, Duration::MAX).is_some());
        assert_eq!(found, [false, true, true]);
        assert!(dids.iter().all(|did| cache.pins().contains_key(did)));
    }

    #[test]
    fn first_sight_pins_the_root_key() {
        let (mut cache, identity, now) = (cache(), identity(), Instant::now());
        let root = *identity.root_public().as_bytes();
        assert_eq!(
            learn(&mut cache, record(&identity, 1), now),
            RecordCheck::Newer(Pin { root, created: 1 })
        );
        assert_eq!(learn(&mut cache, record(&identity, 1), now), RecordCheck::Known);
    }

    #[test]
    fn a_changed_root_key_is_refused_until_the_old_one_is_forgotten() {
        let (mut cache, now) = (cache(), Instant::now());
        learn(&mut cache, record(&identity(), 1), now);
        let other = identity();
        assert_eq!(learn(&mut cache, record(&other, 2), now), RecordCheck::KeyChanged);
        assert!(cache.forget(&bob()));
        assert!(matches!(learn(&mut cache, record(&other, 2), now), RecordCheck::Newer(_)));
    }

    #[test]
    fn an_older_record_does_not_replace_a_newer_one() {
        let (mut cache, mut identity, now) = (cache(), identity(), Instant::now());
        let old = record(&identity, 1);
        identity.rotate(5, &mut rand::rng());
        learn(&mut cache, record(&identity, 5), now);
        assert_eq!(cache.check(&old, &[]), RecordCheck::Older);
        assert_eq!(cache.keep_newer(&old, now).unwrap().keys.created, 5);
    }

    #[test]
    fn a_record_that_was_rotated_away_before_a_restart_is_refused_after_it() {
        let (mut identity, now) = (identity(), Instant::now());
        let old = record(&identity, 1);
        identity.rotate(5, &mut rand::rng());
        let mut before = cache();
        learn(&mut before, record(&identity, 5), now);
        let mut after = RecordCache::new(before.pins().clone(), HashMap::new(), RECORDS_MAX);
        assert_eq!(after.check(&old, &[]), RecordCheck::Older);
        assert!(after.keep_newer(&old, now).is_none());
    }

    #[test]
    fn an_anchor_counts_more_than_a_pin_and_than_what_the_relay_says() {
        let (right, wrong, now) = (identity(), identity(), Instant::now());
        let anchors = HashMap::from([(bob(), *right.root_public().as_bytes())]);
        let mut cache = RecordCache::new(HashMap::new(), anchors.clone(), RECORDS_MAX);
        assert_eq!(learn(&mut cache, record(&wrong, 1), now), RecordCheck::KeyChanged);
        assert!(cache.is_anchored(&bob()));
        let pins = HashMap::from([(bob(), Pin { root: *wrong.root_public().as_bytes(), created: 9 })]);
        let mut cache = RecordCache::new(pins, anchors, RECORDS_MAX);
        assert!(matches!(learn(&mut cache, record(&right, 1), now), RecordCheck::Newer(_)));
    }

    #[test]
    fn a_record_ages_and_a_machine_that_slept_has_no_fresh_one() {
        let (mut cache, identity, now) = (cache(), identity(), Instant::now());
        learn(&mut cache, record(&identity, 1), now);
        let seconds = Duration::from_secs;
        assert!(cache.get(&bob(), now + seconds(600), seconds(600)).is_some());
        assert!(cache.get(&bob(), now + seconds(601), seconds(600)).is_none());
        cache.expire_all();
        assert!(cache.get(&bob(), now, seconds(600)).is_none());
    }

    #[test]
    fn messages_that_do_not_verify_cause_few_lookups_of_their_sender() {
        let (mut cache, identity, now) = (cache(), identity(), Instant::now());
        let seconds = Duration::from_secs;
        assert!(cache.may_refresh(&bob(), now, seconds(60)), "nothing is known yet");
        learn(&mut cache, record(&identity, 1), now);
        assert!(!cache.may_refresh(&bob(), now, seconds(60)), "the record is too young");
        assert!(cache.may_refresh(&bob(), now, Duration::ZERO));
        learn(&mut cache, record(&identity, 1), now);
        assert!(!cache.may_refresh(&bob(), now + seconds(9), Duration::ZERO));
        assert!(cache.may_refresh(&bob(), now + seconds(10), Duration::ZERO));
    }
}
