//! The deduplication table: `(sender, id)` of every reliable message, its digest, and the answer
//! that it got or still waits for. Sending is idempotent because of it.
//!
//! The table is bounded by a count and by the dedup window. Senders have equal shares: in a full
//! table a sender that has more than its share forgets its oldest settled ids, so that nobody loses
//! ids because of others. Open ids are with their sender and are never forgotten; settled ones are
//! in one table of fixed size.

#[cfg(test)]
mod check;
mod room;
mod sender_ids;
mod settled_ids;

use std::collections::VecDeque;

use protocol::envelope::MessageId;
use protocol::frame::{Outcome, SendStatus};

use super::{AgentSlot, ConnId, RequestId};
use sender_ids::{SenderIds, is_aged};
use settled_ids::{NoPlaceError, SettledIds};
pub(super) use settled_ids::{SettledEntry, SettledState};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct MessageKey {
    pub(super) sender: AgentSlot,
    pub(super) id: MessageId,
}

/// A message whose outcome is not known yet, or not on disk.
#[derive(Debug)]
pub(super) struct OpenEntry {
    pub(super) digest: u64,
    pub(super) state: OpenState,
    /// Seconds of the steady clock.
    accepted: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OpenState {
    /// This request waits for the answer.
    Waiting { conn: ConnId, request: RequestId },
    /// The last request was told to retry, and the row is still being written. A repetition becomes
    /// the request that waits.
    Released,
    /// The message has ended, and the notice that says so is not on disk yet.
    Ending,
}

/// What is known of an id.
#[derive(Debug)]
pub(super) enum KnownId<'a> {
    Open(&'a OpenEntry),
    Settled(SettledEntry),
}

#[derive(Debug)]
pub(super) struct DedupTable {
    /// By the index of the agent's slot.
    senders: Vec<Option<Box<SenderIds>>>,
    settled: SettledIds,
    /// Senders in the order in which they are looked at. Those without ids leave when met.
    turns: VecDeque<AgentSlot>,
    entry_count: usize,
    entries_max: usize,
    /// Above the generations of every sender that has left.
    next_generation: u64,
    /// Settled ids for which there was no place.
    lost: u64,
}

impl OpenState {
    const fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting { .. })
    }
}

impl OpenEntry {
    /// Whether the outcome is not known yet.
    pub(super) const fn is_undecided(&self) -> bool {
        matches!(self.state, OpenState::Waiting { .. } | OpenState::Released)
    }
}

impl KnownId<'_> {
    pub(super) const fn digest(&self) -> u64 {
        match self {
            Self::Open(entry) => entry.digest,
            Self::Settled(entry) => entry.digest,
        }
    }
}

impl DedupTable {
    pub(super) fn new(entries_max: usize) -> Self {
        Self {
            senders: Vec::new(),
            settled: SettledIds::new(entries_max),
            turns: VecDeque::new(),
            entry_count: 0,
            entries_max,
            next_generation: 0,
            lost: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.entry_count
    }

    /// Settled ids for which there was no place, which cannot be.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    pub(super) fn find(&self, key: MessageKey, now_ms: u64) -> Option<KnownId<'_>> {
        if let Some(entry) = self.open(key) {
            return Some(KnownId::Open(entry));
        }
        let entry = self.settled(key)?;
        (!is_aged(entry.accepted, seconds(now_ms))).then_some(KnownId::Settled(entry))
    }

    pub(super) fn open(&self, key: MessageKey) -> Option<&OpenEntry> {
        self.sender(key.sender)?.open.get(&key.id)
    }

    fn settled(&self, key: MessageKey) -> Option<SettledEntry> {
        let ids = self.sender(key.sender)?;
        self.settled.find(key).filter(|entry| ids.is_alive(entry.generation))
    }

    /// Sends of this agent that wait for their answer.
    pub(super) fn waiting(&self, sender: AgentSlot) -> u32 {
        self.sender(sender).map_or(0, |ids| ids.waiting)
    }

    /// Adds an id whose answer a request waits for. Call [`Self::make_room`] first.
    pub(super) fn insert_waiting(
        &mut self,
        key: MessageKey,
        digest: u64,
        (conn, request): (ConnId, RequestId),
        accepted_ms: u64,
    ) {
        let state = OpenState::Waiting { conn, request };
        let entry = OpenEntry { digest, state, accepted: seconds(accepted_ms) };
        self.add_sender(key.sender);
        let Some(ids) = self.sender_mut(key.sender) else { return };
        ids.waiting += 1;
        if let Some(before) = ids.open.insert(key.id, entry) {
            ids.waiting -= u32::from(before.state.is_waiting());
        } else {
            self.entry_count += 1;
        }
    }

    /// Adds an id whose answer is known. Call [`Self::make_room`] first.
    pub(super) fn insert_settled(
        &mut self,
        key: MessageKey,
        digest: u64,
        state: SettledState,
        accepted_ms: u64,
    ) {
        self.add_sender(key.sender);
        self.entry_count += 1;
        self.put_settled(key, digest, state, seconds(accepted_ms));
    }

    /// Puts an id that is counted into the table of settled ones.
    fn put_settled(&mut self, key: MessageKey, digest: u64, state: SettledState, accepted: u32) {
        let share = self.entries_max / self.turns.len().max(1);
        let Some(ids) = self.sender_mut(key.sender) else { return };
        let generation = ids.count(share, accepted);
        let senders = &self.senders;
        let is_alive = |sender: AgentSlot, generation| {
            let ids = senders.get(sender.index as usize).and_then(Option::as_deref);
            ids.is_some_and(|ids| ids.sender == sender && ids.is_alive(generation))
        };
        let entry = SettledEntry { digest, state, accepted, generation };
        match self.settled.insert(key, entry, is_alive) {
            Ok(Some(former)) => {
                // Its place has the new entry, so that nothing died.
                self.entry_count -= 1;
                if let Some(ids) = self.sender_mut(key.sender) {
                    ids.discount(former.generation);
                }
            }
            Ok(None) => {}
            Err(NoPlaceError) => self.lost += 1,
        }
    }

    /// Settles an open id, and returns the request that waited for the answer.
    pub(super) fn settle(&mut self, key: MessageKey, state: SettledState) -> Option<(ConnId, RequestId)> {
        let entry = self.sender_mut(key.sender)?.close(key.id)?;
        self.put_settled(key, entry.digest, state, entry.accepted);
        waiting_request(entry.state)
    }

    /// Forgets an open id, and returns its digest.
    pub(super) fn remove(&mut self, key: MessageKey) -> Option<u64> {
        let entry = self.sender_mut(key.sender)?.close(key.id)?;
        self.entry_count -= 1;
        Some(entry.digest)
    }

    pub(super) fn remove_sender(&mut self, sender: AgentSlot) {
        if let Some(ids) = self.take_sender(sender) {
            self.entry_count -= ids.len();
            self.settled.died(ids.settled());
            self.turns.retain(|other| *other != sender);
        }
    }

    /// Makes a request the one that waits for the answer of an open id.
    pub(super) fn wait(&mut self, key: MessageKey, (conn, request): (ConnId, RequestId)) {
        if let Some(ids) = self.sender_mut(key.sender) {
            ids.set(key.id, OpenState::Waiting { conn, request });
        }
    }

    /// Returns the request that waits for the answer, which then waits no longer.
    pub(super) fn release(&mut self, key: MessageKey) -> Option<(ConnId, RequestId)> {
        let ids = self.sender_mut(key.sender)?;
        ids.open.get(&key.id).filter(|entry| entry.state.is_waiting())?;
        waiting_request(ids.set(key.id, OpenState::Released)?)
    }

    /// A message that was stored has reached its recipient. Another state belongs to a later
    /// message under the same id, which was accepted because this one had been forgotten.
    pub(super) fn stored_was_delivered(&mut self, key: MessageKey) {
        if let Some(entry) = self.stored(key) {
            let state = SettledState::Answered(SendStatus::Delivered);
            self.settled.replace(key, SettledEntry { state, ..entry });
        }
    }

    /// A message that was stored has ended. What a repetition is answered is open until that is on
    /// disk.
    pub(super) fn stored_is_ending(&mut self, key: MessageKey) {
        let Some(entry) = self.stored(key) else { return };
        let Some(ids) = self.sender_mut(key.sender) else { return };
        let dead = ids.discount(entry.generation);
        let SettledEntry { digest, accepted, .. } = entry;
        ids.open.insert(key.id, OpenEntry { digest, state: OpenState::Ending, accepted });
        self.settled.replace(key, SettledEntry { generation: dead, ..entry });
        self.settled.died(1);
    }

    /// The end of a message is on disk.
    pub(super) fn end(&mut self, key: MessageKey, outcome: Outcome) {
        if self.open(key).is_some_and(|entry| entry.state == OpenState::Ending) {
            self.settle(key, SettledState::Ended(outcome));
        }
    }

    fn stored(&self, key: MessageKey) -> Option<SettledEntry> {
        let stored = SettledState::Answered(SendStatus::Stored);
        self.settled(key).filter(|entry| entry.state == stored && self.open(key).is_none())
    }

    fn sender(&self, sender: AgentSlot) -> Option<&SenderIds> {
        let ids = self.senders.get(sender.index as usize)?.as_deref();
        ids.filter(|ids| ids.sender == sender)
    }

    fn sender_mut(&mut self, sender: AgentSlot) -> Option<&mut SenderIds> {
        let ids = self.senders.get_mut(sender.index as usize)?.as_deref_mut();
        ids.filter(|ids| ids.sender == sender)
    }

    fn add_sender(&mut self, sender: AgentSlot) {
        if self.sender(sender).is_some() {
            return;
        }
        let index = sender.index as usize;
        if self.senders.len() <= index {
            self.senders.resize_with(index + 1, || None);
        }
        if let Some(place) = self.senders.get_mut(index) {
            *place = Some(Box::new(SenderIds::new(sender, self.next_generation)));
            self.turns.push_back(sender);
        }
    }

    fn take_sender(&mut self, sender: AgentSlot) -> Option<Box<SenderIds>> {
        let place = self.senders.get_mut(sender.index as usize)?;
        let ids = place.take_if(|ids| ids.sender == sender)?;
        self.next_generation = self.next_generation.max(ids.next_generation());
        Some(ids)
    }
}

fn seconds(ms: u64) -> u32 {
    u32::try_from(ms / 1000).unwrap_or(u32::MAX)
}

fn waiting_request(state: OpenState) -> Option<(ConnId, RequestId)> {
    match state {
        OpenState::Waiting { conn, request } => Some((conn, request)),
        OpenState::Released | OpenState::Ending => None,
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
