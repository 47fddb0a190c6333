//! Makes room in the deduplication table: by age, and in a full table by the shares of senders.

use super::sender_ids::SenderIds;
use super::{DedupTable, seconds};
use crate::core::AgentSlot;

/// Generations that one insertion looks at to find old ones.
const TRIM_STEPS_MAX: usize = 4;
/// Steps of one search for room in a full table. Beyond it the sender has to retry.
const ROOM_STEPS_MAX: usize = 64;
/// Generations of one sender that one tick looks at, so that the ids of idle senders go as well.
const SWEEP_STEPS_MAX: usize = 64;

impl DedupTable {
    /// Makes room for one more id of this sender. False if every id that could go still waits for
    /// its answer.
    pub(in crate::core) fn make_room(&mut self, sender: AgentSlot, now_ms: u64) -> bool {
        for _ in 0..TRIM_STEPS_MAX {
            if !self.forget(sender, |ids| ids.forget_aged(seconds(now_ms))) {
                break;
            }
        }
        for _ in 0..ROOM_STEPS_MAX {
            if self.entry_count < self.entries_max {
                return true;
            }
            let known = self.sender(sender);
            let own = known.map_or(0, |ids| ids.len());
            let share = self.entries_max / (self.turns.len() + usize::from(known.is_none()));
            if own >= share.max(1) {
                self.forget(sender, SenderIds::forget_oldest);
            } else {
                self.forget_of_others(share);
            }
        }
        self.entry_count < self.entries_max
    }

    /// Forgets the oldest ids of the sender whose turn it is, if it has more than its share.
    fn forget_of_others(&mut self, share: usize) {
        let Some(next) = self.turns.front().copied() else { return };
        let held = self.sender(next).map(|ids| ids.len());
        let forgotten = held > Some(share) && self.forget(next, SenderIds::forget_oldest);
        if !forgotten {
            self.turns.pop_front();
            self.turns.extend(held.map(|_| next));
        }
    }

    /// Has a sender forget a generation. True if it did.
    fn forget(&mut self, sender: AgentSlot, forget: impl FnOnce(&mut SenderIds) -> Option<usize>) -> bool {
        let forgotten = self.sender_mut(sender).and_then(forget);
        self.entry_count -= forgotten.unwrap_or(0);
        self.settled.died(forgotten.unwrap_or(0));
        forgotten.is_some()
    }

    /// Forgets old ids of the sender whose turn it is.
    pub(in crate::core) fn sweep(&mut self, now_ms: u64) {
        let Some(next) = self.turns.pop_front() else { return };
        for _ in 0..SWEEP_STEPS_MAX {
            if !self.forget(next, |ids| ids.forget_aged(seconds(now_ms))) {
                break;
            }
        }
        if self.sender(next).is_some_and(|ids| ids.len() == 0) {
            self.take_sender(next);
        } else {
            self.turns.push_back(next);
        }
    }
}
