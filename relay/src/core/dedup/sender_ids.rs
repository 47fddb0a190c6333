//! The ids of one sender: those that are open, and how many settled ones each generation has.
//!
//! Settled ids are in one table for all senders. A sender counts them in generations, and forgets
//! a whole generation at a time, the oldest first.

use std::collections::VecDeque;

use foldhash::HashMap;
use protocol::envelope::MessageId;
use protocol::limits::DEDUP_TTL;

use super::settled_ids::GENERATION_MASK;
use super::{OpenEntry, OpenState};
use crate::core::AgentSlot;

/// Ids of one generation, unless an eighth of the sender's share is less. As many are forgotten at
/// once.
const GENERATION_IDS_MAX: usize = 1024;
/// A generation is at most this part of the sender's share of the table.
const GENERATIONS_PER_SHARE: usize = 8;
/// Time in which one generation takes ids. Its last id keeps the others counted that much longer.
const GENERATION_TTL_SECONDS: u32 = 3600;

#[derive(Debug)]
pub(super) struct SenderIds {
    pub(super) sender: AgentSlot,
    pub(super) open: HashMap<MessageId, OpenEntry>,
    /// Open entries in the state `Waiting`.
    pub(super) waiting: u32,
    settled: usize,
    /// The number of the oldest generation.
    first: u64,
    /// Oldest first.
    generations: VecDeque<Generation>,
}

#[derive(Debug)]
struct Generation {
    ids: usize,
    /// When it was begun, in seconds of the steady clock.
    begun: u32,
    /// When the newest of its ids was accepted.
    newest: u32,
}

impl SenderIds {
    /// A sender without ids. No entry of the table has a generation from `first` on.
    pub(super) fn new(sender: AgentSlot, first: u64) -> Self {
        let (open, generations) = (HashMap::default(), VecDeque::new());
        Self { sender, open, waiting: 0, settled: 0, first, generations }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len() + self.settled
    }

    /// The number of the generation after the newest one.
    pub(super) fn next_generation(&self) -> u64 {
        self.first + self.generations.len() as u64
    }

    /// Whether entries of this generation are remembered.
    pub(super) fn is_alive(&self, generation: u32) -> bool {
        (self.age_of(generation) as usize) < self.generations.len()
    }

    /// Counts one more settled id, and returns its generation.
    pub(super) fn count(&mut self, share: usize, accepted: u32) -> u32 {
        let ids_max = (share / GENERATIONS_PER_SHARE).clamp(1, GENERATION_IDS_MAX);
        let fits = |generation: &Generation| {
            generation.ids < ids_max && accepted < generation.begun.saturating_add(GENERATION_TTL_SECONDS)
        };
        if !self.generations.back().is_some_and(fits) {
            self.generations.push_back(Generation { ids: 0, begun: accepted, newest: accepted });
        }
        if let Some(newest) = self.generations.back_mut() {
            newest.ids += 1;
            newest.newest = newest.newest.max(accepted);
        }
        self.settled += 1;
        number(self.next_generation() - 1)
    }

    /// Counts a settled id no longer, which is of a living generation. Returns a generation whose
    /// entries are dead.
    pub(super) fn discount(&mut self, generation: u32) -> u32 {
        let age = self.age_of(generation) as usize;
        if let Some(found) = self.generations.get_mut(age) {
            found.ids -= 1;
            self.settled -= 1;
        }
        number(self.first).wrapping_sub(1) & GENERATION_MASK
    }

    /// Forgets the oldest generation, and returns how many ids it had.
    pub(super) fn forget_oldest(&mut self) -> Option<usize> {
        let oldest = self.generations.pop_front()?;
        self.first += 1;
        self.settled -= oldest.ids;
        Some(oldest.ids)
    }

    /// Forgets the oldest generation if the dedup window is over for all of its ids.
    pub(super) fn forget_aged(&mut self, now: u32) -> Option<usize> {
        self.generations.front().filter(|oldest| is_aged(oldest.newest, now))?;
        self.forget_oldest()
    }

    pub(super) fn set(&mut self, id: MessageId, state: OpenState) -> Option<OpenState> {
        let entry = self.open.get_mut(&id)?;
        self.waiting += u32::from(state.is_waiting());
        let before = std::mem::replace(&mut entry.state, state);
        self.waiting -= u32::from(before.is_waiting());
        Some(before)
    }

    pub(super) fn close(&mut self, id: MessageId) -> Option<OpenEntry> {
        let entry = self.open.remove(&id)?;
        self.waiting -= u32::from(entry.state.is_waiting());
        Some(entry)
    }

    /// How many generations are older than this one.
    fn age_of(&self, generation: u32) -> u32 {
        generation.wrapping_sub(number(self.first)) & GENERATION_MASK
    }

    /// The ids that the generations count.
    #[cfg(test)]
    pub(super) fn counted(&self) -> usize {
        self.generations.iter().map(|generation| generation.ids).sum()
    }

    pub(super) const fn settled(&self) -> usize {
        self.settled
    }
}

/// Whether the dedup window is over for an id that was accepted then.
pub(super) fn is_aged(accepted: u32, now: u32) -> bool {
    u64::from(accepted) + DEDUP_TTL.as_secs() <= u64::from(now)
}

#[expect(clippy::cast_possible_truncation, reason = "the number has the bits of the mask")]
const fn number(generation: u64) -> u32 {
    (generation & GENERATION_MASK as u64) as u32
}
