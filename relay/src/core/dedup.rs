//! The deduplication table: `(sender, id)` of every reliable message, its digest, and the answer
//! that it got or still waits for. Sending is idempotent because of it.
//!
//! The table is bounded by a count and by the dedup window. Senders have equal shares: in a full
//! table the oldest settled id goes of a sender that has more than its share, so that nobody loses
//! ids because of others.

use std::collections::VecDeque;

use foldhash::HashMap;
use protocol::envelope::MessageId;
use protocol::frame::{Outcome, SendStatus};
use protocol::limits::DEDUP_TTL;

use super::{AgentSlot, ConnId, RequestId};

/// Entries that one insertion looks at to find old ones. It adds one, so a few keep up.
const TRIM_STEPS_MAX: usize = 4;
/// Steps of one search for room in a full table. Beyond it the sender has to retry.
const ROOM_STEPS_MAX: usize = 64;
/// Entries of one sender that one tick looks at, so that the ids of idle senders go as well.
const SWEEP_STEPS_MAX: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct MessageKey {
    pub(super) sender: AgentSlot,
    pub(super) id: MessageId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AnswerState {
    /// This request waits for the answer.
    Waiting {
        conn: ConnId,
        request: RequestId,
    },
    /// The last request was told to retry, and the row is still being written. A repetition becomes
    /// the request that waits.
    Released,
    Answered(SendStatus),
    /// The message has ended, and the notice that says so is not on disk yet.
    Ending,
    Ended(Outcome),
}

#[derive(Debug)]
pub(super) struct DedupEntry {
    pub(super) digest: u64,
    pub(super) state: AnswerState,
    /// Milliseconds of the steady clock.
    accepted_ms: u64,
    /// Tells this entry from an earlier one of the same id in the queue.
    number: u64,
}

/// The ids of one sender.
#[derive(Debug, Default)]
struct SenderIds {
    entries: HashMap<MessageId, DedupEntry>,
    /// Oldest first. Items of removed entries are left over until they are met.
    order: VecDeque<(u64, MessageId)>,
    /// Entries in the state `Waiting`.
    waiting: u32,
}

#[derive(Debug)]
pub(super) struct DedupTable {
    senders: HashMap<AgentSlot, SenderIds>,
    /// Senders in the order in which they are looked at. Those without ids leave when met.
    turns: VecDeque<AgentSlot>,
    entry_count: usize,
    entries_max: usize,
    next_number: u64,
}

impl DedupEntry {
    /// Whether the outcome is not known yet.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, AnswerState::Waiting { .. } | AnswerState::Released)
    }

    const fn is_settled(&self) -> bool {
        matches!(self.state, AnswerState::Answered(_) | AnswerState::Ended(_))
    }

    const fn is_old(&self, now_ms: u64) -> bool {
        self.accepted_ms.saturating_add(DEDUP_TTL.as_secs() * 1000) <= now_ms
    }
}

impl SenderIds {
    /// Looks at the oldest entry and removes it if `wanted` says so. An entry whose answer is open
    /// goes to the back instead. Returns whether an entry was removed; `None`: nothing to do.
    fn look_at_oldest(&mut self, wanted: impl FnOnce(&DedupEntry) -> bool) -> Option<bool> {
        let (number, id) = self.order.front().copied()?;
        let Some(entry) = self.entries.get(&id).filter(|entry| entry.number == number) else {
            self.order.pop_front();
            return Some(false);
        };
        if !wanted(entry) {
            return None;
        }
        let settled = entry.is_settled();
        self.order.pop_front();
        if settled {
            self.entries.remove(&id);
        } else {
            self.order.push_back((number, id));
        }
        Some(settled)
    }

    /// Keeps the queue in proportion to the entries, also of a sender whose sends all fail.
    fn compact(&mut self) {
        if self.order.len() > 2 * self.entries.len() + 16 {
            let entries = &self.entries;
            self.order.retain(|(number, id)| entries.get(id).is_some_and(|entry| entry.number == *number));
        }
    }

    fn set(&mut self, id: MessageId, state: AnswerState) -> Option<AnswerState> {
        let entry = self.entries.get_mut(&id)?;
        self.waiting += u32::from(matches!(state, AnswerState::Waiting { .. }));
        let before = std::mem::replace(&mut entry.state, state);
        self.waiting -= u32::from(matches!(before, AnswerState::Waiting { .. }));
        Some(before)
    }
}

impl DedupTable {
    pub(super) fn new(entries_max: usize) -> Self {
        Self {
            senders: HashMap::default(),
            turns: VecDeque::new(),
            entry_count: 0,
            entries_max,
            next_number: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.entry_count
    }

    pub(super) fn entry(&self, key: MessageKey) -> Option<&DedupEntry> {
        self.senders.get(&key.sender)?.entries.get(&key.id)
    }

    /// Sends of this agent that wait for their answer.
    pub(super) fn waiting(&self, sender: AgentSlot) -> u32 {
        self.senders.get(&sender).map_or(0, |ids| ids.waiting)
    }

    /// Makes room for one more id of this sender. False if every id that could go still waits for
    /// its answer.
    pub(super) fn make_room(&mut self, sender: AgentSlot, now_ms: u64) -> bool {
        for _ in 0..TRIM_STEPS_MAX {
            if self.drop_oldest(sender, |entry| entry.is_old(now_ms)).is_none() {
                break;
            }
        }
        for _ in 0..ROOM_STEPS_MAX {
            if self.entry_count < self.entries_max {
                return true;
            }
            let known = self.senders.get(&sender);
            let own = known.map_or(0, |ids| ids.entries.len());
            let share = self.entries_max / (self.turns.len() + usize::from(known.is_none()));
            if own >= share.max(1) {
                self.drop_oldest(sender, |_| true);
            } else {
                self.drop_of_others(share);
            }
        }
        self.entry_count < self.entries_max
    }

    /// Drops an id of the sender whose turn it is, if it has more than its share.
    fn drop_of_others(&mut self, share: usize) {
        let Some(next) = self.turns.front().copied() else { return };
        let held = self.senders.get(&next).map(|ids| ids.entries.len());
        let dropped = held > Some(share) && self.drop_oldest(next, |_| true) == Some(true);
        if !dropped {
            self.turns.pop_front();
            self.turns.extend(held.map(|_| next));
        }
    }

    fn drop_oldest(&mut self, sender: AgentSlot, wanted: impl FnOnce(&DedupEntry) -> bool) -> Option<bool> {
        let dropped = self.senders.get_mut(&sender)?.look_at_oldest(wanted)?;
        self.entry_count -= usize::from(dropped);
        Some(dropped)
    }

    /// Call [`Self::make_room`] first.
    pub(super) fn insert(&mut self, key: MessageKey, digest: u64, state: AnswerState, accepted_ms: u64) {
        let number = self.next_number;
        self.next_number += 1;
        let ids = self.senders.entry(key.sender).or_insert_with(|| {
            self.turns.push_back(key.sender);
            SenderIds::default()
        });
        ids.waiting += u32::from(matches!(state, AnswerState::Waiting { .. }));
        ids.order.push_back((number, key.id));
        let before = ids.entries.insert(key.id, DedupEntry { digest, state, accepted_ms, number });
        self.entry_count += usize::from(before.is_none());
        ids.waiting -=
            u32::from(before.is_some_and(|entry| matches!(entry.state, AnswerState::Waiting { .. })));
        ids.compact();
    }

    /// Forgets an id, and returns its digest.
    pub(super) fn remove(&mut self, key: MessageKey) -> Option<u64> {
        let ids = self.senders.get_mut(&key.sender)?;
        let removed = ids.entries.remove(&key.id)?;
        ids.waiting -= u32::from(matches!(removed.state, AnswerState::Waiting { .. }));
        self.entry_count -= 1;
        Some(removed.digest)
    }

    pub(super) fn remove_sender(&mut self, sender: AgentSlot) {
        if let Some(ids) = self.senders.remove(&sender) {
            self.entry_count -= ids.entries.len();
            self.turns.retain(|other| *other != sender);
        }
    }

    /// Changes the state and returns the request that waited for the answer.
    pub(super) fn set(&mut self, key: MessageKey, state: AnswerState) -> Option<(ConnId, RequestId)> {
        match self.senders.get_mut(&key.sender)?.set(key.id, state)? {
            AnswerState::Waiting { conn, request } => Some((conn, request)),
            _ => None,
        }
    }

    /// Changes the state if it is `from`. Another state belongs to a later message under the same
    /// id, which was accepted because this one had been forgotten.
    pub(super) fn follow(&mut self, key: MessageKey, from: &AnswerState, to: AnswerState) {
        if self.entry(key).is_some_and(|entry| entry.state == *from) {
            self.set(key, to);
        }
    }

    /// Returns the request that waits for the answer, which then waits no longer.
    pub(super) fn release(&mut self, key: MessageKey) -> Option<(ConnId, RequestId)> {
        let waits = self.entry(key).is_some_and(|entry| matches!(entry.state, AnswerState::Waiting { .. }));
        if waits { self.set(key, AnswerState::Released) } else { None }
    }

    /// Forgets old ids of the sender whose turn it is.
    pub(super) fn sweep(&mut self, now_ms: u64) {
        let Some(next) = self.turns.pop_front() else { return };
        for _ in 0..SWEEP_STEPS_MAX {
            if self.drop_oldest(next, |entry| entry.is_old(now_ms)).is_none() {
                break;
            }
        }
        if self.senders.get(&next).is_some_and(|ids| ids.entries.is_empty()) {
            self.senders.remove(&next);
        } else {
            self.turns.push_back(next);
        }
    }

    /// The senders that have ids.
    #[cfg(test)]
    pub(super) fn senders(&self) -> impl Iterator<Item = AgentSlot> {
        self.senders.keys().copied()
    }

    #[cfg(test)]
    pub(super) fn of_sender(&self, sender: AgentSlot) -> impl Iterator<Item = (MessageKey, &DedupEntry)> {
        let entries = self.senders.get(&sender).into_iter().flat_map(|ids| &ids.entries);
        entries.map(move |(id, entry)| (MessageKey { sender, id: *id }, entry))
    }

    /// The number of ids of this sender.
    #[cfg(test)]
    pub(super) fn remembered(&self, sender: AgentSlot) -> usize {
        self.senders.get(&sender).map_or(0, |ids| ids.entries.len())
    }

    /// The numbers of senders, and of those that have a turn.
    #[cfg(test)]
    pub(super) fn turns(&self) -> (usize, usize) {
        (self.senders.len(), self.turns.len())
    }
}

#[cfg(test)]
mod tests;
