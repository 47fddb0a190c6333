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
    /// Starts with the messages that were processed before.
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
            processed,
            ephemeral: DedupTable::new(),
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
        self.held.insert(key, Held { message, seq: Some(seq), until, acknowledging: false, drops: 0 });
        true
    }

    /// Records that the application has dropped a message without acknowledging it. Returns the
    /// message and the delay after which it must be shown again. `None` if nothing is to be shown:
    /// it was acknowledged, or the relay will deliver it again in this epoch.
    pub fn release(&mut self, key: &MessageKey) -> Option<(M, Duration)> {
        let held = self.held.get_mut(key).filter(|held| !held.acknowledging)?;
        if held.seq.is_none() {
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
        if let Some(seq) = self.held.remove(key).and_then(|held| held.seq) {
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
        let held = self.held.remove(key);
        self.processed.insert(key.clone(), until, now);
        if let Some(seq) = held.and_then(|held| held.seq) {
            self.settle(seq);
        }
    }

    /// Forgets messages of earlier epochs that were not delivered again and have expired.
    pub fn forget_expired(&mut self, now: UnixSeconds) {
        self.held.retain(|_, held| held.seq.is_some() || held.until >= now);
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
        let undelivered = self.held.iter().filter(|(_, held)| held.seq.is_none());
        let first = undelivered.min_by_key(|(_, held)| held.until).map(|(key, _)| key.clone());
        first.is_some_and(|key| self.held.remove(&key).is_some())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::envelope::MessageId;

    use super::*;

    fn key(n: u8) -> MessageKey {
        ("did:wba:localhost:agent:bob".parse().unwrap(), MessageId::new(1, [n; 10]))
    }

    fn tracker() -> AckTracker<u8> {
        let mut tracker = AckTracker::new(DedupTable::new());
        tracker.start_epoch(7, true);
        tracker
    }

    fn deliver(tracker: &mut AckTracker<u8>, seq: u64, n: u8) {
        tracker.on_arrival(seq, 100);
        assert_eq!(tracker.on_delivery(seq, &key(n)), DeliveryState::New);
        assert!(tracker.hold(seq, key(n), n, 100));
    }

    /// Syncs, and returns the number of the acknowledgement that is due then.
    fn due(tracker: &mut AckTracker<u8>) -> Option<u64> {
        sync(tracker).map(|ack| ack.seq)
    }

    fn sync(tracker: &mut AckTracker<u8>) -> Option<AckParams> {
        if let Some(ack) = tracker.to_sync() {
            tracker.on_synced(ack);
        }
        tracker.due()
    }

    #[test]
    fn an_acknowledgement_waits_for_everything_before_it() {
        let mut tracker = tracker();
        (1..=3).for_each(|n| deliver(&mut tracker, u64::from(n), n));
        tracker.mark_processed(&key(3), 100, 1);
        tracker.mark_processed(&key(2), 100, 1);
        assert_eq!(due(&mut tracker), None);
        tracker.mark_processed(&key(1), 100, 1);
        assert_eq!(sync(&mut tracker), Some(AckParams { epoch: 7, seq: 3 }));
        tracker.on_ack_sent(AckParams { epoch: 7, seq: 3 });
        assert_eq!(due(&mut tracker), None);
    }

    #[test]
    fn a_refused_message_does_not_block_the_ones_behind_it() {
        let mut tracker = tracker();
        tracker.settle(1);
        deliver(&mut tracker, 2, 2);
        assert_eq!(due(&mut tracker), Some(1));
        tracker.mark_processed(&key(2), 100, 1);
        assert_eq!(due(&mut tracker), Some(2));
    }

    #[test]
    fn a_copy_of_a_processed_message_is_settled_and_not_shown() {
        let mut tracker = tracker();
        deliver(&mut tracker, 1, 1);
        tracker.mark_processed(&key(1), 100, 1);
        tracker.start_epoch(8, true);
        assert_eq!(tracker.on_delivery(1, &key(1)), DeliveryState::Processed);
        assert_eq!(sync(&mut tracker), Some(AckParams { epoch: 8, seq: 1 }));
    }

    #[test]
    fn an_ephemeral_message_is_shown_once_and_settled_each_time() {
        let mut tracker = tracker();
        assert!(tracker.accept_ephemeral(1, key(1), 100, 1));
        assert!(!tracker.accept_ephemeral(2, key(1), 100, 1));
        assert_eq!(due(&mut tracker), Some(2));
    }

    #[test]
    fn a_message_held_across_a_reconnect_is_acknowledged_under_its_new_number() {
        let mut tracker = tracker();
        deliver(&mut tracker, 1, 1);
        deliver(&mut tracker, 2, 2);
        tracker.mark_processed(&key(1), 100, 1);
        tracker.start_epoch(8, true);
        assert_eq!(tracker.on_delivery(1, &key(2)), DeliveryState::Held);
        assert_eq!(due(&mut tracker), None);
        tracker.mark_processed(&key(2), 100, 1);
        assert_eq!(sync(&mut tracker), Some(AckParams { epoch: 8, seq: 1 }));
    }

    #[test]
    fn acknowledging_before_the_redelivery_settles_it_when_it_comes() {
        let mut tracker = tracker();
        deliver(&mut tracker, 1, 1);
        tracker.start_epoch(8, true);
        tracker.mark_processed(&key(1), 100, 1);
        assert_eq!(due(&mut tracker), None, "this epoch has delivered nothing yet");
        assert_eq!(tracker.on_delivery(1, &key(1)), DeliveryState::Processed);
        assert_eq!(due(&mut tracker), Some(1));
    }

    #[test]
    fn an_acknowledgement_of_an_old_epoch_does_not_count_in_the_new_one() {
        let mut tracker = tracker();
        deliver(&mut tracker, 1, 1);
        tracker.mark_processed(&key(1), 100, 1);
        let old = sync(&mut tracker).unwrap();
        tracker.start_epoch(8, true);
        tracker.on_delivery(1, &key(1));
        tracker.on_ack_sent(old);
        assert_eq!(due(&mut tracker), Some(1));
    }

    #[test]
    fn an_application_that_holds_too_many_gets_no_more() {
        let mut tracker = tracker();
        for n in 0..HELD_MAX as u64 {
            assert!(tracker.hold(n + 1, numbered(n), 0, 100 + n));
        }
        assert!(!tracker.hold(HELD_MAX as u64 + 1, key(255), 255, 100));
    }

    #[test]
    fn messages_of_earlier_epochs_do_not_use_up_the_room_of_new_ones() {
        let mut tracker = tracker();
        for n in 0..HELD_MAX as u64 {
            assert!(tracker.hold(n + 1, numbered(n), 0, 1_000 + n));
        }
        tracker.start_epoch(8, true);
        assert_eq!(tracker.on_delivery(1, &numbered(1)), DeliveryState::Held);
        assert!(tracker.hold(2, key(255), 255, 100), "the first, which expires first, makes room");
        assert_eq!(tracker.on_delivery(3, &numbered(0)), DeliveryState::New);
        tracker.forget_expired(1_000_000);
        assert_eq!(tracker.on_delivery(4, &numbered(2)), DeliveryState::New, "it has expired");
        assert_eq!(tracker.on_delivery(1, &numbered(1)), DeliveryState::Held, "it is in this epoch");
    }

    fn numbered(n: u64) -> MessageKey {
        let random: [u8; 10] = std::array::from_fn(|i| if i < 8 { n.to_be_bytes()[i] } else { 0 });
        (key(0).0, MessageId::new(1, random))
    }

    #[test]
    fn a_message_that_the_application_drops_is_shown_again_ever_later() {
        let mut tracker = tracker();
        deliver(&mut tracker, 1, 1);
        let delays: Vec<_> = (0..9).map(|_| tracker.release(&key(1)).unwrap().1.as_secs()).collect();
        assert_eq!(delays, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(redelivery_delay(u32::MAX), MAX_REDELIVERY_INTERVAL);
        tracker.mark_processed(&key(1), 100, 1);
        assert_eq!(tracker.release(&key(1)), None, "it was acknowledged");
        assert_eq!(due(&mut tracker), Some(1));
    }

    #[test]
    fn a_message_that_is_dropped_between_two_sessions_is_new_when_it_comes_again() {
        let mut tracker = tracker();
        deliver(&mut tracker, 1, 1);
        tracker.start_epoch(8, true);
        assert_eq!(tracker.release(&key(1)), None);
        assert_eq!(tracker.on_delivery(1, &key(1)), DeliveryState::New);
    }

    #[test]
    fn a_message_whose_acknowledgement_cannot_be_written_is_neither_shown_nor_acknowledged() {
        let mut tracker = tracker();
        deliver(&mut tracker, 1, 1);
        tracker.postpone(&key(1));
        assert_eq!(tracker.release(&key(1)), None);
        assert_eq!(due(&mut tracker), None);
        tracker.mark_processed(&key(1), 100, 1);
        assert_eq!(due(&mut tracker), Some(1));
    }

    #[test]
    fn a_refusal_is_told_once_and_before_the_acknowledgement_of_its_number() {
        let mut tracker = tracker();
        tracker.refuse(1, RefusalReason::Undecryptable);
        tracker.refuse(1, RefusalReason::Undecryptable);
        assert_eq!(sync(&mut tracker), None, "the refusal is first");
        let refusal = RefuseParams { epoch: 7, seq: 1, reason: RefusalReason::Undecryptable };
        assert_eq!(tracker.next_refusal(), Some(refusal));
        assert_eq!((tracker.next_refusal(), due(&mut tracker)), (None, Some(1)));
    }

    #[test]
    fn a_relay_that_takes_no_refusals_gets_an_acknowledgement() {
        let mut tracker = tracker();
        tracker.start_epoch(8, false);
        tracker.refuse(1, RefusalReason::Undecryptable);
        assert_eq!((tracker.next_refusal(), due(&mut tracker)), (None, Some(1)));
    }

    #[test]
    fn what_the_application_rejects_is_refused_and_shown_again_if_that_was_lost() {
        let mut tracker = tracker();
        deliver(&mut tracker, 1, 1);
        tracker.reject(&key(1));
        assert_eq!(tracker.next_refusal().map(|refusal| refusal.reason), Some(RefusalReason::Rejected));
        tracker.start_epoch(8, true);
        assert_eq!(tracker.on_delivery(1, &key(1)), DeliveryState::New);
    }

    #[test]
    fn nothing_is_acknowledged_before_it_is_on_disk() {
        let mut tracker = tracker();
        (1..=2).for_each(|n| deliver(&mut tracker, u64::from(n), n));
        tracker.mark_processed(&key(1), 100, 1);
        let syncing = tracker.to_sync().unwrap();
        tracker.mark_processed(&key(2), 100, 1);
        assert_eq!(tracker.due(), None);
        tracker.on_synced(syncing);
        assert_eq!(tracker.due(), Some(AckParams { epoch: 7, seq: 1 }), "the second came too late");
    }

    #[test]
    fn the_window_is_used_from_the_oldest_unsettled_delivery_on() {
        let mut tracker = tracker();
        (1..=3).for_each(|n| deliver(&mut tracker, u64::from(n), n));
        tracker.mark_processed(&key(2), 100, 1);
        assert_eq!((tracker.oldest_unsettled(), tracker.window_used()), (Some(1), (3, 300)));
        tracker.mark_processed(&key(1), 100, 1);
        assert_eq!((tracker.oldest_unsettled(), tracker.window_used()), (Some(3), (1, 100)));
    }

    proptest! {
        /// In any order of processing, and across reconnects, exactly the processed prefix is
        /// acknowledged.
        #[test]
        fn exactly_the_processed_prefix_is_acknowledged(
            order in Just((1..=20u8).collect::<Vec<_>>()).prop_shuffle(),
            cut in 0..20usize,
        ) {
            let mut tracker = tracker();
            (1..=20).for_each(|n| deliver(&mut tracker, u64::from(n), n));
            let (before, after) = order.split_at(cut);
            before.iter().for_each(|n| tracker.mark_processed(&key(*n), 100, 1));
            let prefix = (1..=20u8).take_while(|n| before.contains(n)).count();
            prop_assert_eq!(due(&mut tracker).unwrap_or(0), u64::try_from(prefix).unwrap());

            // The connection broke after the acknowledgement: the relay delivers the rest again.
            tracker.start_epoch(8, true);
            let rest: Vec<u8> = (1..=20).skip(prefix).collect();
            for (seq, n) in (1..).zip(&rest) {
                prop_assert_ne!(tracker.on_delivery(seq, &key(*n)), DeliveryState::New);
            }
            after.iter().for_each(|n| tracker.mark_processed(&key(*n), 100, 1));
            prop_assert_eq!(due(&mut tracker).unwrap_or(0), u64::try_from(rest.len()).unwrap());
        }
    }
}
