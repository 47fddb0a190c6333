//! Tracks which deliveries are processed, and computes the acknowledgement that is due. Pure.
//!
//! The relay numbers deliveries and notices 1, 2, 3 within an epoch and takes cumulative
//! acknowledgements. The application acknowledges messages in any order, including messages of an
//! earlier epoch, which have been redelivered under a new number.

use std::collections::{BTreeSet, HashMap};

use protocol::UnixSeconds;
use protocol::frame::AckParams;
use protocol::limits::WINDOW_MESSAGES;

use super::dedup::{DedupTable, MessageKey};

/// Messages that the application holds unacknowledged. An honest relay stops at one window; the
/// margin allows for redelivery in another order.
const HELD_MAX: u64 = 4 * WINDOW_MESSAGES;

pub(crate) struct AckTracker {
    epoch: u64,
    /// Every number up to this one is processed.
    contiguous: u64,
    /// The last number acknowledged to the relay.
    acked: u64,
    /// Processed above `contiguous`.
    ahead: BTreeSet<u64>,
    /// Unacknowledged messages that the application holds, with their number in this epoch (0: not
    /// redelivered yet).
    held: HashMap<MessageKey, u64>,
    processed: DedupTable,
    /// Ephemeral messages have a separate table, so that they cannot evict reliable ones.
    ephemeral: DedupTable,
}

/// The state of a delivered message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeliveryState {
    New,
    /// The application has it and has not acknowledged it.
    Held,
    /// Processed before.
    Processed,
}

impl AckTracker {
    pub(crate) fn new(processed: DedupTable) -> Self {
        let (ahead, held) = (BTreeSet::new(), HashMap::new());
        Self { epoch: 0, contiguous: 0, acked: 0, ahead, held, processed, ephemeral: DedupTable::new() }
    }

    pub(crate) fn start_epoch(&mut self, epoch: u64) {
        (self.epoch, self.contiguous, self.acked) = (epoch, 0, 0);
        self.ahead.clear();
        self.held.values_mut().for_each(|seq| *seq = 0);
    }

    /// Returns the state of a delivered message, before it is verified. Settles the number of a
    /// duplicate.
    pub(crate) fn on_delivery(&mut self, seq: u64, key: &MessageKey) -> DeliveryState {
        if self.processed.contains(key) {
            self.settle(seq);
            return DeliveryState::Processed;
        }
        match self.held.get_mut(key) {
            // A second copy within one epoch: the message keeps its first number.
            Some(held) if *held != 0 && *held != seq => {
                self.settle(seq);
                DeliveryState::Held
            }
            Some(held) => {
                *held = seq;
                DeliveryState::Held
            }
            None => DeliveryState::New,
        }
    }

    /// Records that the application holds a verified message. Returns `false` if it holds too many;
    /// the message then stays at the relay.
    pub(crate) fn hold(&mut self, seq: u64, key: MessageKey) -> bool {
        if u64::try_from(self.held.len()).unwrap_or(u64::MAX) >= HELD_MAX {
            return false;
        }
        self.held.insert(key, seq);
        true
    }

    /// Records a verified ephemeral message, which needs no acknowledgement by the application.
    /// Returns `false` for a duplicate.
    pub(crate) fn accept_ephemeral(
        &mut self,
        seq: u64,
        key: MessageKey,
        remember: UnixSeconds,
        now: UnixSeconds,
    ) -> bool {
        self.settle(seq);
        let new = !self.ephemeral.contains(&key);
        self.ephemeral.insert(key, remember, now);
        new
    }

    pub(crate) fn is_held(&self, key: &MessageKey) -> bool {
        self.held.contains_key(key)
    }

    /// Records that the application acknowledged a message. After the time `remember`, a copy of it
    /// would be refused as too old.
    pub(crate) fn mark_processed(&mut self, key: &MessageKey, remember: UnixSeconds, now: UnixSeconds) {
        let Some(seq) = self.held.remove(key) else { return };
        self.processed.insert(key.clone(), remember, now);
        self.settle(seq);
    }

    /// Marks a number as done: a processed message, a refused one, or a notice.
    pub(crate) fn settle(&mut self, seq: u64) {
        if seq <= self.contiguous {
            return;
        }
        self.ahead.insert(seq);
        while self.ahead.remove(&(self.contiguous + 1)) {
            self.contiguous += 1;
        }
    }

    /// The acknowledgement that is due, if any.
    pub(crate) fn due(&self) -> Option<AckParams> {
        (self.contiguous > self.acked).then_some(AckParams { epoch: self.epoch, seq: self.contiguous })
    }

    pub(crate) fn on_ack_sent(&mut self, ack: AckParams) {
        if ack.epoch == self.epoch {
            self.acked = self.acked.max(ack.seq);
        }
    }

    pub(crate) fn processed(&self) -> &DedupTable {
        &self.processed
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

    fn tracker() -> AckTracker {
        let mut tracker = AckTracker::new(DedupTable::new());
        tracker.start_epoch(7);
        tracker
    }

    fn deliver(tracker: &mut AckTracker, seq: u64, n: u8) {
        assert_eq!(tracker.on_delivery(seq, &key(n)), DeliveryState::New);
        assert!(tracker.hold(seq, key(n)));
    }

    fn due(tracker: &AckTracker) -> Option<u64> {
        tracker.due().map(|ack| ack.seq)
    }

    #[test]
    fn an_acknowledgement_waits_for_everything_before_it() {
        let mut tracker = tracker();
        (1..=3).for_each(|n| deliver(&mut tracker, u64::from(n), n));
        tracker.mark_processed(&key(3), 100, 1);
        tracker.mark_processed(&key(2), 100, 1);
        assert_eq!(due(&tracker), None);
        tracker.mark_processed(&key(1), 100, 1);
        assert_eq!(tracker.due(), Some(AckParams { epoch: 7, seq: 3 }));
        tracker.on_ack_sent(AckParams { epoch: 7, seq: 3 });
        assert_eq!(due(&tracker), None);
    }

    #[test]
    fn a_refused_message_does_not_block_the_ones_behind_it() {
        let mut tracker = tracker();
        tracker.settle(1);
        deliver(&mut tracker, 2, 2);
        assert_eq!(due(&tracker), Some(1));
        tracker.mark_processed(&key(2), 100, 1);
        assert_eq!(due(&tracker), Some(2));
    }

    #[test]
    fn a_copy_of_a_processed_message_is_settled_and_not_shown() {
        let mut tracker = tracker();
        deliver(&mut tracker, 1, 1);
        tracker.mark_processed(&key(1), 100, 1);
        tracker.start_epoch(8);
        assert_eq!(tracker.on_delivery(1, &key(1)), DeliveryState::Processed);
        assert_eq!(tracker.due(), Some(AckParams { epoch: 8, seq: 1 }));
    }

    #[test]
    fn an_ephemeral_message_is_shown_once_and_settled_each_time() {
        let mut tracker = tracker();
        assert!(tracker.accept_ephemeral(1, key(1), 100, 1));
        assert!(!tracker.accept_ephemeral(2, key(1), 100, 1));
        assert_eq!(due(&tracker), Some(2));
    }

    #[test]
    fn a_message_held_across_a_reconnect_is_acknowledged_under_its_new_number() {
        let mut tracker = tracker();
        deliver(&mut tracker, 1, 1);
        deliver(&mut tracker, 2, 2);
        tracker.mark_processed(&key(1), 100, 1);
        tracker.start_epoch(8);
        assert_eq!(tracker.on_delivery(1, &key(2)), DeliveryState::Held);
        assert_eq!(due(&tracker), None);
        tracker.mark_processed(&key(2), 100, 1);
        assert_eq!(tracker.due(), Some(AckParams { epoch: 8, seq: 1 }));
    }

    #[test]
    fn acknowledging_before_the_redelivery_settles_it_when_it_comes() {
        let mut tracker = tracker();
        deliver(&mut tracker, 1, 1);
        tracker.start_epoch(8);
        tracker.mark_processed(&key(1), 100, 1);
        assert_eq!(due(&tracker), None, "this epoch has delivered nothing yet");
        assert_eq!(tracker.on_delivery(1, &key(1)), DeliveryState::Processed);
        assert_eq!(due(&tracker), Some(1));
    }

    #[test]
    fn an_acknowledgement_of_an_old_epoch_does_not_count_in_the_new_one() {
        let mut tracker = tracker();
        deliver(&mut tracker, 1, 1);
        tracker.mark_processed(&key(1), 100, 1);
        let old = tracker.due().unwrap();
        tracker.start_epoch(8);
        tracker.on_delivery(1, &key(1));
        tracker.on_ack_sent(old);
        assert_eq!(due(&tracker), Some(1));
    }

    #[test]
    fn an_application_that_holds_too_many_gets_no_more() {
        let mut tracker = tracker();
        for n in 0..HELD_MAX {
            let random: [u8; 10] = std::array::from_fn(|i| if i < 8 { n.to_be_bytes()[i] } else { 0 });
            assert!(tracker.hold(n + 1, (key(0).0, MessageId::new(1, random))));
        }
        assert!(!tracker.hold(HELD_MAX + 1, key(255)));
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
            prop_assert_eq!(due(&tracker).unwrap_or(0), u64::try_from(prefix).unwrap());

            // The connection broke after the acknowledgement: the relay delivers the rest again.
            tracker.start_epoch(8);
            let rest: Vec<u8> = (1..=20).skip(prefix).collect();
            for (seq, n) in (1..).zip(&rest) {
                prop_assert_ne!(tracker.on_delivery(seq, &key(*n)), DeliveryState::New);
            }
            after.iter().for_each(|n| tracker.mark_processed(&key(*n), 100, 1));
            prop_assert_eq!(due(&tracker).unwrap_or(0), u64::try_from(rest.len()).unwrap());
        }
    }
}
