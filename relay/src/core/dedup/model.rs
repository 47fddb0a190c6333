//! Property tests: the deduplication table against a model that keeps every id in a list.

use std::collections::BTreeMap;

use proptest::prelude::*;
use protocol::limits::DEDUP_TTL;

use super::tests::{NOW, key};
use super::*;

/// What the model knows of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    Open,
    Ending,
    Settled(SettledState),
}

#[derive(Debug, Clone, Copy)]
enum Action {
    /// Accepts a message, unless its id is known.
    Accept,
    Settle(SettledState),
    Remove,
    Release,
    Wait,
    Ending,
    End(Outcome),
    StoredWasDelivered,
    RemoveSender,
    Sweep,
    Pass {
        seconds: u64,
    },
}

fn action() -> impl Strategy<Value = Action> {
    use {Action::*, SettledState::*};
    prop_oneof![
        20 => Just(Accept),
        10 => prop_oneof![
            Just(Answered(SendStatus::Stored)), Just(Answered(SendStatus::Delivered)), Just(Ended(Outcome::Refused)),
        ].prop_map(Settle),
        2 => Just(Remove),
        1 => Just(Release),
        1 => Just(Wait),
        2 => Just(Ending),
        2 => prop_oneof![Just(Outcome::Expired), Just(Outcome::Dropped)].prop_map(End),
        2 => Just(StoredWasDelivered),
        1 => Just(RemoveSender),
        2 => Just(Sweep),
        2 => prop_oneof![0..10u64, 3_000..50_000u64].prop_map(|seconds| Pass { seconds }),
    ]
}

#[derive(Debug)]
struct Scenario {
    table: DedupTable,
    entries_max: usize,
    now_ms: u64,
    /// What is known, when it was accepted, and its digest.
    model: BTreeMap<MessageKey, (Model, u64, u64)>,
}

impl Scenario {
    fn perform(&mut self, action: Action, key: MessageKey) {
        let stored = Model::Settled(SettledState::Answered(SendStatus::Stored));
        let state = self.model.get(&key).map(|(state, ..)| *state);
        match action {
            Action::Accept => self.accept(key),
            Action::Settle(settled) if state == Some(Model::Open) => {
                self.table.settle(key, settled);
                self.set(key, Model::Settled(settled));
            }
            Action::Remove if state == Some(Model::Open) => {
                assert_eq!(self.table.remove(key), self.model.remove(&key).map(|(_, _, digest)| digest));
            }
            Action::Settle(_) | Action::Remove => {}
            Action::Release => drop(self.table.release(key)),
            Action::Wait if state == Some(Model::Open) => {
                self.table.wait(key, (ConnId(2), RequestId::Number(2)));
            }
            Action::Wait => {}
            Action::Ending => {
                self.table.stored_is_ending(key);
                if state == Some(stored) && self.table.open(key).is_some() {
                    self.set(key, Model::Ending);
                }
            }
            Action::End(outcome) => {
                self.table.end(key, outcome);
                if state == Some(Model::Ending) {
                    self.set(key, Model::Settled(SettledState::Ended(outcome)));
                }
            }
            Action::StoredWasDelivered => {
                self.table.stored_was_delivered(key);
                if state == Some(stored) {
                    self.set(key, Model::Settled(SettledState::Answered(SendStatus::Delivered)));
                }
            }
            Action::RemoveSender => {
                self.table.remove_sender(key.sender);
                self.model.retain(|other, _| other.sender != key.sender);
            }
            Action::Sweep => self.table.sweep(self.now_ms),
            Action::Pass { seconds } => self.now_ms += seconds * 1000,
        }
        self.compare();
    }

    fn accept(&mut self, key: MessageKey) {
        if self.table.find(key, self.now_ms).is_some() {
            return;
        }
        let share = self.entries_max / self.table.turns.len().max(1);
        let others: Vec<_> = self.table.senders().filter(|other| *other != key.sender).collect();
        let held =
            |table: &DedupTable| others.iter().map(|other| table.remembered(*other)).collect::<Vec<_>>();
        let before = held(&self.table);
        if self.table.make_room(key.sender, self.now_ms) {
            let digest = self.now_ms ^ u64::from(key.sender.index);
            self.table.insert_waiting(key, digest, (ConnId(1), RequestId::Number(1)), self.now_ms);
            self.model.insert(key, (Model::Open, self.now_ms, digest));
        }
        for (before, after) in before.into_iter().zip(held(&self.table)) {
            assert!(after == before || before > share.min(self.entries_max / self.table.turns.len().max(1)));
        }
    }

    fn set(&mut self, key: MessageKey, state: Model) {
        self.model.entry(key).and_modify(|(known, ..)| *known = state);
    }

    /// What the table knows is what the model knows. It may forget settled ids, and no others.
    fn compare(&mut self) {
        assert_eq!(self.table.check(), Ok(()));
        assert!(self.table.len() <= self.entries_max, "{} ids", self.table.len());
        let (table, now_ms) = (&self.table, self.now_ms);
        self.model.retain(|key, (state, accepted_ms, digest)| {
            let found = table.find(*key, now_ms).map(|known| {
                assert_eq!(known.digest(), *digest);
                match known {
                    KnownId::Open(entry) if entry.state == OpenState::Ending => Model::Ending,
                    KnownId::Open(_) => Model::Open,
                    KnownId::Settled(entry) => Model::Settled(entry.state),
                }
            });
            let aged = accepted_ms.div_euclid(1000) + DEDUP_TTL.as_secs() <= now_ms / 1000;
            assert!(found.is_none_or(|found| found == *state), "{key:?}: {found:?}, not {state:?}");
            assert!(found.is_some() || matches!(state, Model::Settled(_)), "{key:?} is open and forgotten");
            assert!(found.is_none() || !aged || !matches!(state, Model::Settled(_)), "{key:?} is too old");
            found.is_some()
        });
        let (used, _, places) = self.table.settled.size();
        assert!(used < places, "{used} of {places} places are used");
    }
}

proptest! {
    #[test]
    fn the_table_knows_what_a_list_of_all_ids_knows(
        entries_max in 3..40usize,
        actions in prop::collection::vec((action(), 0..4u32, 0..30u64), 1..400),
    ) {
        let table = DedupTable::new(entries_max);
        let mut scenario = Scenario { table, entries_max, now_ms: NOW, model: BTreeMap::new() };
        for (action, sender, number) in actions {
            scenario.perform(action, key(sender, number));
        }
    }
}

/// Nothing is forgotten before the table is full, and a full one keeps seven eighths of a share. A
/// search in a full one is short, because the hand clears what died.
#[test]
fn a_sender_keeps_its_newest_ids() {
    let (mut table, max) = (DedupTable::new(4_000), 4_000);
    for number in 0..40_000u64 {
        assert!(table.make_room(key(1, number).sender, NOW));
        table.insert_waiting(key(1, number), number, (ConnId(1), RequestId::Number(1)), NOW);
        table.settle(key(1, number), SettledState::Answered(SendStatus::Delivered));
        let kept = number.saturating_sub(if number < max { number } else { max - max / 8 - 1 });
        assert!(table.is_known(key(1, kept)), "{kept} at {number}");
        let (used, _, places) = table.settled.size();
        assert!(used * 8 <= places * 5, "{used} of {places}");
    }
    let newest = 40_000 - 3_000..40_000;
    let distances: usize = newest.map(|number| table.settled.distance(key(1, number))).sum();
    assert!(distances < 3 * 3_000, "an id is found {distances} / 3,000 places behind its own");
    assert_eq!(table.check(), Ok(()));
}
