//! A hash table of fixed size for the ids of settled messages. It never grows and has no list of
//! removals: entries die in whole generations, and a hand that moves with each insertion clears
//! their places.
//!
//! Places are found by linear probing, and a place that is cleared is closed by moving the entries
//! behind it, so that a search ends at the first free place. An entry is five words of eight bytes,
//! of which the operating system gives memory only to those that are used.
#![expect(
    clippy::cast_possible_truncation,
    reason = "words are split into the parts that they were put together from"
)]

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use protocol::frame::{Outcome, SendStatus};

use super::MessageKey;
use crate::core::AgentSlot;

/// Places for each entry that may be alive. Dead entries that the hand has not reached need places
/// as well: at most half as many as the living, see [`PLACES_PER_INSERTION`].
const PLACES_PER_ENTRY: usize = 2;
/// Places that one insertion looks at to clear dead entries. The hand is round after an eighth of
/// the places were filled, so that dead entries take no more than a quarter of all places.
const PLACES_PER_INSERTION: usize = 8;

/// How a message was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core) enum SettledState {
    Answered(SendStatus),
    Ended(Outcome),
}

/// What is known of a settled message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core) struct SettledEntry {
    pub(in crate::core) digest: u64,
    pub(in crate::core) state: SettledState,
    /// Seconds of the steady clock.
    pub(super) accepted: u32,
    /// The generation of its sender's ids that it belongs to.
    pub(super) generation: u32,
}

/// The number of a generation has 24 bits. It is used again long after the hand has cleared the
/// entries of its former use.
pub(super) const GENERATION_MASK: u32 = (1 << 24) - 1;

/// The sender's slot, the two halves of the id, the digest, and the rest, which is 0 in a free
/// place only.
type Place = [u64; 5];
const FREE: Place = [0; 5];

/// Every place is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoPlaceError;

#[derive(Debug)]
pub(super) struct SettledIds {
    /// A power of two.
    places: Vec<Place>,
    hasher: RandomState,
    hand: usize,
    used: usize,
    /// Used places whose entries are dead.
    dead: usize,
}

impl SettledIds {
    /// A table for so many entries that are alive.
    pub(super) fn new(entries_max: usize) -> Self {
        let places =
            entries_max.saturating_mul(PLACES_PER_ENTRY).max(PLACES_PER_INSERTION).next_power_of_two();
        Self { places: vec![FREE; places], hasher: RandomState::default(), hand: 0, used: 0, dead: 0 }
    }

    /// The entry of this id. It may be dead.
    pub(super) fn find(&self, key: MessageKey) -> Option<SettledEntry> {
        let index = self.index_of(words(key))?;
        unpack(self.place(index))
    }

    /// Says that so many more entries are dead. The hand moves only while there are any.
    pub(super) const fn died(&mut self, entries: usize) {
        self.dead += entries;
    }

    /// Adds an id, and returns the entry of the same one that was there and is alive.
    ///
    /// # Errors
    /// There is no place, which cannot be while the living are not more than was agreed.
    pub(super) fn insert(
        &mut self,
        key: MessageKey,
        entry: SettledEntry,
        is_alive: impl Fn(AgentSlot, u32) -> bool,
    ) -> Result<Option<SettledEntry>, NoPlaceError> {
        for _ in 0..PLACES_PER_INSERTION {
            if self.dead == 0 {
                break;
            }
            self.move_hand(&is_alive);
        }
        let words = words(key);
        let index = self.place_for(words);
        let former = unpack(self.place(index));
        if former.is_none() {
            // One place stays free, so that every search ends.
            if self.used + 1 >= self.places.len() {
                return Err(NoPlaceError);
            }
            self.used += 1;
        }
        self.put(index, pack(words, entry));
        let alive = former.filter(|former| is_alive(key.sender, former.generation));
        self.dead -= usize::from(former.is_some() && alive.is_none());
        Ok(alive)
    }

    /// Changes what is known of an id that is in the table.
    pub(super) fn replace(&mut self, key: MessageKey, entry: SettledEntry) {
        let words = words(key);
        if let Some(index) = self.index_of(words) {
            self.put(index, pack(words, entry));
        }
    }

    /// Clears the next place if its entry is dead.
    fn move_hand(&mut self, is_alive: impl Fn(AgentSlot, u32) -> bool) {
        let place = self.place(self.hand);
        if is_used(place) && !is_alive(sender_of(place), generation_of(place)) {
            // The place may hold another entry now, which the hand looks at next.
            self.clear(self.hand);
        } else {
            self.hand = self.after(self.hand);
        }
    }

    /// Frees a place. Entries behind it that could not be found any more move up.
    fn clear(&mut self, index: usize) {
        let mask = self.places.len() - 1;
        let (mut free, mut next) = (index, self.after(index));
        loop {
            let place @ [slot, high, low, ..] = self.place(next);
            if !is_used(place) {
                break;
            }
            let from_home = next.wrapping_sub(self.home([slot, high, low])) & mask;
            // An entry moves to the free place unless that is before its home.
            if next.wrapping_sub(free) & mask <= from_home {
                self.put(free, place);
                free = next;
            }
            next = self.after(next);
        }
        self.put(free, FREE);
        self.used -= 1;
        self.dead -= 1;
    }

    fn index_of(&self, words: [u64; 3]) -> Option<usize> {
        let index = self.place_for(words);
        is_used(self.place(index)).then_some(index)
    }

    /// The place that has the id, or the free one that would get it.
    fn place_for(&self, words: [u64; 3]) -> usize {
        let mut index = self.home(words);
        loop {
            let place @ [slot, high, low, ..] = self.place(index);
            if !is_used(place) || [slot, high, low] == words {
                return index;
            }
            index = self.after(index);
        }
    }

    fn home(&self, [slot, high, low]: [u64; 3]) -> usize {
        self.hasher.hash_one((slot, high, low)) as usize & (self.places.len() - 1)
    }

    const fn after(&self, index: usize) -> usize {
        (index + 1) & (self.places.len() - 1)
    }

    fn place(&self, index: usize) -> Place {
        self.places.get(index).copied().unwrap_or(FREE)
    }

    fn put(&mut self, index: usize, place: Place) {
        if let Some(found) = self.places.get_mut(index) {
            *found = place;
        }
    }

    /// How many places behind its own an id was found.
    #[cfg(test)]
    pub(super) fn distance(&self, key: MessageKey) -> usize {
        let words = words(key);
        self.place_for(words).wrapping_sub(self.home(words)) & (self.places.len() - 1)
    }

    /// The number of used places, of the dead ones among them, and of all.
    #[cfg(test)]
    pub(super) const fn size(&self) -> (usize, usize, usize) {
        (self.used, self.dead, self.places.len())
    }
}

fn words(MessageKey { sender, id }: MessageKey) -> [u64; 3] {
    let number = u128::from_be_bytes(*id.as_bytes());
    [u64::from(sender.index) << 32 | u64::from(sender.generation), (number >> 64) as u64, number as u64]
}

const fn is_used([.., rest]: Place) -> bool {
    rest != 0
}

const fn sender_of([slot, ..]: Place) -> AgentSlot {
    AgentSlot { index: (slot >> 32) as u32, generation: slot as u32 }
}

const fn generation_of([.., rest]: Place) -> u32 {
    (rest >> 8) as u32 & GENERATION_MASK
}

fn pack([slot, high, low]: [u64; 3], entry: SettledEntry) -> Place {
    let state = match entry.state {
        SettledState::Answered(SendStatus::Stored) => 1,
        SettledState::Answered(SendStatus::Delivered) => 2,
        SettledState::Answered(SendStatus::Forwarded) => 3,
        SettledState::Ended(Outcome::Delivered) => 4,
        SettledState::Ended(Outcome::Expired) => 5,
        SettledState::Ended(Outcome::Dropped) => 6,
        SettledState::Ended(Outcome::Refused) => 7,
    };
    let generation = u64::from(entry.generation & GENERATION_MASK);
    let rest = u64::from(entry.accepted) << 32 | generation << 8 | state;
    [slot, high, low, entry.digest, rest]
}

/// `None` for a free place.
fn unpack(place: Place) -> Option<SettledEntry> {
    let [.., digest, rest] = place;
    let state = match rest & 0xff {
        1 => SettledState::Answered(SendStatus::Stored),
        2 => SettledState::Answered(SendStatus::Delivered),
        3 => SettledState::Answered(SendStatus::Forwarded),
        4 => SettledState::Ended(Outcome::Delivered),
        5 => SettledState::Ended(Outcome::Expired),
        6 => SettledState::Ended(Outcome::Dropped),
        7 => SettledState::Ended(Outcome::Refused),
        _ => return None,
    };
    Some(SettledEntry { digest, state, accepted: (rest >> 32) as u32, generation: generation_of(place) })
}
