//! Tracks which deliveries are settled, and computes the acknowledgement that is due.
//!
//! The relay numbers deliveries and notices 1, 2, 3 within an epoch and takes cumulative
//! acknowledgements. The application acknowledges messages in any order, including messages of an
//! earlier epoch, which have been redelivered under a new number.
//!
//! A number is settled when its message was processed, refused, or a duplicate. An acknowledgement
//! covers settled numbers only, and is due only after [`AckTracker::on_synced`]: the processed
//! messages are then on disk, so that a crash shows none of them again.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use protocol::UnixSeconds;
use protocol::frame::{AckParams, RefuseParams};
use protocol::limits::WINDOW_MESSAGES;
use protocol::refusal::RefusalReason;

use super::dedup_table::{DedupTable, MessageKey};

/// Messages that the application holds unacknowledged: four windows of the relay. An honest relay
/// stops at one; the margin is for messages of earlier sessions.
pub const HELD_MAX: usize = 4 * 256;
const _: () = assert!(HELD_MAX as u64 == 4 * WINDOW_MESSAGES);

/// Messages that only direct connections have brought and that the application holds: half of what
/// it may hold, so that the relay's window always fits. Beyond it the connection ends, and the
/// relay brings the message.
pub const DIRECT_HELD_MAX: usize = HELD_MAX / 2;

/// Upper bound of the delay before a message is shown again that the application drops each time.
const MAX_REDELIVERY_INTERVAL: Duration = Duration::from_secs(60);

/// The state of all deliveries of one agent. `M` is the message as the application gets it.
pub struct AckTracker<M> {
    epoch: u64,
    /// Whether the relay takes refusals.
    takes_refusals: bool,
    /// Every number up to this one is settled.
    contiguous: u64,
    /// Every number up to this one is settled, and its dedup entry is on disk.
    durable: u64,
    /// The last number acknowledged to the relay.
    acked: u64,
    /// Settled above `contiguous`.
    ahead: BTreeSet<u64>,
    /// The bytes of each delivery above `contiguous`, which the relay counts as unacknowledged.
    sizes: BTreeMap<u64, usize>,
    /// Refusals that the relay has not been told.
    refusals: VecDeque<RefuseParams>,
    held: HashMap<MessageKey, Held<M>>,
    /// How many of them a direct connection waits for.
    held_direct: usize,
    processed: DedupTable,
    /// Ephemeral messages have a separate table, so that they cannot evict reliable ones.
    ephemeral: DedupTable,
}

/// An unacknowledged message that the application has or will be shown.
struct Held<M> {
    message: M,
    /// Its number in this epoch; `None` until it is redelivered.
    seq: Option<u64>,
    /// The time from which a copy of it is refused as too old.
    until: UnixSeconds,
    /// Whether the application has acknowledged it, and its dedup entry could not be written yet.
    acknowledging: bool,
    /// How often the application has dropped it.
    drops: u32,
    /// How many direct connections have brought it and wait.
    direct: u32,
}

impl<M> Held<M> {
    /// Whether somebody who is connected now waits for it. What nobody waits for comes again.
    const fn is_awaited(&self) -> bool {
        self.seq.is_some() || self.direct > 0
    }
}

/// What a copy that came over a direct connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectHold {
    /// The application is shown it next.
    New,
    /// The application has it, or will be shown it again.
    Held,
    /// Processed before.
    Processed,
    /// Too many messages are held. The relay must bring it.
    Full,
}

/// The state of a delivered message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    New,
    /// The application has it, or will be shown it again.
    Held,
    /// Processed before.
    Processed,
}

/// The delay before a message is shown again that the application has dropped `drops` times without
/// acknowledging it: none at first, then 1 s, 2 s, 4 s, up to a minute.
#[must_use]
pub fn redelivery_delay(drops: u32) -> Duration {
    match drops.checked_sub(2) {
        None => Duration::ZERO,
        Some(doublings) => {
            let seconds = 1u64.checked_shl(doublings).unwrap_or(u64::MAX);
            Duration::from_secs(seconds).min(MAX_REDELIVERY_INTERVAL)
        }
    }
}

impl<M: Clone> AckTracker<M> {
    /// Starts with the messages that were processed before. The table of ephemeral messages gets
    /// the same limit.
    #[must_use]
    pub fn new(processed: DedupTable) -> Self {
        Self {
            epoch: 0,
            takes_refusals: false,
            contiguous: 0,
            durable: 0,
            acked: 0,
            ahead: BTreeSet::new(),
            sizes: BTreeMap::new(),
            refusals: VecDeque::new(),
            held: HashMap::new(),
            held_direct: 0,
            ephemeral: DedupTable::with_entries_max(processed.entries_max()),
            processed,
        }
    }

    /// Begins a session: its deliveries are numbered from 1, and what is held will be delivered
    /// again.
    pub fn start_epoch(&mut self, epoch: u64, takes_refusals: bool) {
        (self.epoch, self.takes_refusals) = (epoch, takes_refusals);
        (self.contiguous, self.durable, self.acked) = (0, 0, 0);
        self.ahead.clear();
        self.sizes.clear();
        self.refusals.clear();
        self.held.values_mut().for_each(|held| held.seq = None);
    }

    /// Notes that a delivery or notice with this number has arrived, and its size.
    pub fn on_arrival(&mut self, seq: u64, bytes: usize) {
        if seq > self.contiguous {
            self.sizes.insert(seq, bytes);
        }
    }

    /// Returns the state of a delivered message, before it is verified. Settles the number of a
    /// duplicate.
    pub fn on_delivery(&mut self, seq: u64, key: &MessageKey) -> DeliveryState {
        if self.processed.contains(key) {
            self.settle(seq);
            return DeliveryState::Processed;
        }
        match self.held.get_mut(key) {
            // A second copy within one epoch: the message keeps its first number.
            Some(held) if held.seq.is_some_and(|first| first != seq) => {
                self.settle(seq);
                DeliveryState::Held
            }
            Some(held) => {
                held.seq = Some(seq);
                DeliveryState::Held
            }
            None => DeliveryState::New,
        }
    }

    /// Records a verified message, which the application is shown next. `until` is the time from
    /// which a copy of it is refused as too old. Returns `false` if the relay has sent more than
    /// its window allows; the message then stays at the relay.
    pub fn hold(&mut self, seq: u64, key: MessageKey, message: M, until: UnixSeconds) -> bool {
        if self.held.len() >= HELD_MAX && !self.evict_undelivered() {
            return false;
        }
        let held = Held { message, seq: Some(seq), until, acknowledging: false, drops: 0, direct: 0 };
        self.held.insert(key, held);
        true
    }

    /// Returns the state of a message that came over a direct connection, before it is verified.
    #[must_use]
    pub fn state_of(&self, key: &MessageKey) -> DeliveryState {
        match self.processed.contains(key) {
            true => DeliveryState::Processed,
            false if self.held.contains_key(key) => DeliveryState::Held,
            false => DeliveryState::New,
        }
    }

    /// Records a verified message that came over a direct connection, which waits for it until
    /// [`end_direct`](Self::end_direct), or until the message is processed or rejected.
    pub fn hold_direct(&mut self, key: &MessageKey, message: M, until: UnixSeconds) -> DirectHold {
        if self.processed.contains(key) {
            return DirectHold::Processed;
        }
        if let Some(held) = self.held.get_mut(key) {
            self.held_direct += usize::from(held.direct == 0);
            held.direct = held.direct.saturating_add(1);
            return DirectHold::Held;
        }
        let full = self.held.len() >= HELD_MAX && !self.evict_undelivered();
        if self.held_direct >= DIRECT_HELD_MAX || full {
            return DirectHold::Full;
        }
        let held = Held { message, seq: None, until, acknowledging: false, drops: 0, direct: 1 };
        self.held.insert(key.clone(), held);
        self.held_direct += 1;
        DirectHold::New
    }

    /// Records that one direct connection no longer waits for a message. Its sender brings it again
    /// on another way, unless the application acknowledges it before.
    pub fn end_direct(&mut self, key: &MessageKey) {
        if let Some(held) = self.held.get_mut(key).filter(|held| held.direct > 0) {
            held.direct -= 1;
            self.held_direct -= usize::from(held.direct == 0);
        }
    }

    /// Records a verified ephemeral message that came over a direct connection. Returns `false` for
    /// a duplicate.
    pub fn accept_direct_ephemeral(&mut self, key: MessageKey, until: UnixSeconds, now: UnixSeconds) -> bool {
        let new = !self.ephemeral.contains(&key);
        self.ephemeral.insert(key, until, now);
        new
    }

    fn remove_held(&mut self, key: &MessageKey) -> Option<Held<M>> {
        let held = self.held.remove(key)?;
        self.held_direct -= usize::from(held.direct > 0);
        Some(held)
    }

    /// Records that the application has dropped a message without acknowledging it. Returns the
    /// message and the delay after which it must be shown again. `None` if nothing is to be shown:
    /// it was acknowledged, or the relay will deliver it again in this epoch.
    pub fn release(&mut self, key: &MessageKey) -> Option<(M, Duration)> {
        let held = self.held.get_mut(key).filter(|held| !held.acknowledging)?;
        if !held.is_awaited() {
            self.held.remove(key);
            return None;
        }
        held.drops = held.drops.saturating_add(1);
        Some((held.message.clone(), redelivery_delay(held.drops)))
    }

    /// Records that the application has acknowledged a message whose dedup entry cannot be written
    /// now. It is neither acknowledged to the relay nor shown again until
    /// [`mark_processed`](Self::mark_processed).
    pub fn postpone(&mut self, key: &MessageKey) {
        if let Some(held) = self.held.get_mut(key) {
            held.acknowledging = true;
        }
    }

    /// Records that the application will never process a message, so that its sender is told. A
    /// message that the relay has not redelivered yet is shown again instead.
    pub fn reject(&mut self, key: &MessageKey) {
        if let Some(seq) = self.remove_held(key).and_then(|held| held.seq) {
            self.refuse(seq, RefusalReason::Rejected);
        }
    }

    /// Records a verified ephemeral message, which needs no acknowledgement by the application.
    /// Returns `false` for a duplicate.
    pub fn accept_ephemeral(
        &mut self,
        seq: u64,
        key: MessageKey,
        until: UnixSeconds,
        now: UnixSeconds,
    ) -> bool {
        self.settle(seq);
        let new = !self.ephemeral.contains(&key);
        self.ephemeral.insert(key, until, now);
        new
    }

    /// Whether the message was acknowledged by the application, and is remembered.
    #[must_use]
    pub fn is_processed(&self, key: &MessageKey) -> bool {
        self.processed.contains(key)
    }

    /// Records that the application acknowledged a message, after its dedup entry was written.
    pub fn mark_processed(&mut self, key: &MessageKey, until: UnixSeconds, now: UnixSeconds) {
        let held = self.remove_held(key);
        self.processed.insert(key.clone(), until, now);
        if let Some(seq) = held.and_then(|held| held.seq) {
            self.settle(seq);
        }
    }

    /// Forgets messages of earlier epochs that were not delivered again and have expired.
    pub fn forget_expired(&mut self, now: UnixSeconds) {
        self.held.retain(|_, held| held.is_awaited() || held.until >= now);
    }

    /// Marks a number as done: a processed message, a duplicate, or a notice.
    pub fn settle(&mut self, seq: u64) {
        if seq <= self.contiguous {
            return;
        }
        self.ahead.insert(seq);
        while self.ahead.remove(&(self.contiguous + 1)) {
            self.contiguous += 1;
            self.sizes.remove(&self.contiguous);
        }
    }

    /// Marks a number as done, because its message will never be processed. A relay that takes
    /// refusals is told the reason before the number is acknowledged.
    pub fn refuse(&mut self, seq: u64, reason: RefusalReason) {
        if seq <= self.contiguous || self.ahead.contains(&seq) {
            return;
        }
        if self.takes_refusals {
            self.refusals.push_back(RefuseParams { epoch: self.epoch, seq, reason });
        }
        self.settle(seq);
    }

    /// The next refusal to send.
    pub fn next_refusal(&mut self) -> Option<RefuseParams> {
        self.refusals.pop_front()
    }

    /// The acknowledgement that becomes due once everything written until now is on disk.
    #[must_use]
    pub fn to_sync(&self) -> Option<AckParams> {
        (self.contiguous > self.durable).then_some(AckParams { epoch: self.epoch, seq: self.contiguous })
    }

    /// Records that what was written when [`to_sync`](Self::to_sync) returned this is on disk.
    pub fn on_synced(&mut self, ack: AckParams) {
        if ack.epoch == self.epoch {
            self.durable = self.durable.max(ack.seq);
        }
    }

    /// The acknowledgement that is due, if any. Refusals go first, because an acknowledgement of
    /// their numbers would call them delivered.
    #[must_use]
    pub fn due(&self) -> Option<AckParams> {
        let due = self.refusals.is_empty() && self.durable > self.acked;
        due.then_some(AckParams { epoch: self.epoch, seq: self.durable })
    }

    /// Whether a refusal or an acknowledgement is due.
    #[must_use]
    pub fn has_frame(&self) -> bool {
        !self.refusals.is_empty() || self.due().is_some()
    }

    pub fn on_ack_sent(&mut self, ack: AckParams) {
        if ack.epoch == self.epoch {
            self.acked = self.acked.max(ack.seq);
        }
    }

    /// The oldest number that is delivered and not settled.
    #[must_use]
    pub fn oldest_unsettled(&self) -> Option<u64> {
        self.sizes.keys().next().copied()
    }

    /// How many deliveries, and how many of their bytes, the relay counts as unacknowledged.
    #[must_use]
    pub fn window_used(&self) -> (u64, usize) {
        (u64::try_from(self.sizes.len()).unwrap_or(u64::MAX), self.sizes.values().sum())
    }

    #[must_use]
    pub fn processed(&self) -> &DedupTable {
        &self.processed
    }

    /// Makes room for one message by forgetting the held one that would expire first, among those
    /// that this epoch has not delivered. The application can still acknowledge it.
    fn evict_undelivered(&mut self) -> bool {
        let undelivered = self.held.iter().filter(|(_, held)| !held.is_awaited());
        let first = undelivered.min_by_key(|(_, held)| held.until).map(|(key, _)| key.clone());
        first.is_some_and(|key| self.held.remove(&key).is_some())
    }
}

#[cfg(test)]
mod tests;
