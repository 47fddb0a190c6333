//! Which deliveries of this epoch are processed, and up to where the relay may forget. Pure.
//!
//! The relay numbers deliveries and notices 1, 2, 3 in each epoch and takes cumulative acknowledgements. The application
//! acknowledges messages, in any order, also ones that were delivered in an epoch before: those carry a new number now.

use std::collections::{BTreeSet, HashMap};

use protocol::UnixSeconds;
use protocol::frame::AckParams;
use protocol::limits::WINDOW_MESSAGES;

use super::seen::{Key, Seen};

/// Messages shown and not acknowledged. An honest relay stops at one window; the rest is room for a change of its order.
const HELD_MAX: u64 = 4 * WINDOW_MESSAGES;

pub(crate) struct Ledger {
    epoch: u64,
    /// Everything up to here is processed.
    contiguous: u64,
    /// What the relay was told.
    told: u64,
    /// Processed above `contiguous`.
    ahead: BTreeSet<u64>,
    /// Shown to the application, with the number in this epoch (0: not delivered in this epoch yet).
    held: HashMap<Key, u64>,
    seen: Seen,
    /// Ephemeral messages, by themselves: however many there are, they make no reliable one be forgotten.
    passed: Seen,
}

/// What to do with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    New,
    /// The application has it and has not acknowledged it.
    Held,
    /// Processed before.
    Processed,
}

impl Ledger {
    pub(crate) fn new(seen: Seen) -> Self {
        let (ahead, held) = (BTreeSet::new(), HashMap::new());
        Self { epoch: 0, contiguous: 0, told: 0, ahead, held, seen, passed: Seen::new() }
    }

    pub(crate) fn begin(&mut self, epoch: u64) {
        (self.epoch, self.contiguous, self.told) = (epoch, 0, 0);
        self.ahead.clear();
        self.held.values_mut().for_each(|seq| *seq = 0);
    }

    /// Where a message stands, before it is verified. A copy of a processed or held one is settled by this.
    pub(crate) fn arrived(&mut self, seq: u64, key: &Key) -> Standing {
        if self.seen.contains(key) {
            self.settle(seq);
            return Standing::Processed;
        }
        match self.held.get_mut(key) {
            // A second copy in one epoch: the first number keeps the place, the second is settled.
            Some(held) if *held != 0 && *held != seq => {
                self.settle(seq);
                Standing::Held
            }
            Some(held) => {
                *held = seq;
                Standing::Held
            }
            None => Standing::New,
        }
    }

    /// A verified message goes to the application. `false`: it holds too many; the message stays with the relay.
    pub(crate) fn hold(&mut self, seq: u64, key: Key) -> bool {
        if u64::try_from(self.held.len()).unwrap_or(u64::MAX) >= HELD_MAX {
            return false;
        }
        self.held.insert(key, seq);
        true
    }

    /// An ephemeral message, verified: it is shown once and acknowledged by that. `false`: it was shown before.
    pub(crate) fn pass(&mut self, seq: u64, key: Key, remember: UnixSeconds, now: UnixSeconds) -> bool {
        self.settle(seq);
        let new = !self.passed.contains(&key);
        self.passed.insert(key, remember, now);
        new
    }

    pub(crate) fn is_held(&self, key: &Key) -> bool {
        self.held.contains_key(key)
    }

    /// The application is done with a message. `remember` is when a copy of it would be refused as too old anyway.
    pub(crate) fn processed(&mut self, key: &Key, remember: UnixSeconds, now: UnixSeconds) {
        let Some(seq) = self.held.remove(key) else { return };
        self.seen.insert(key.clone(), remember, now);
        self.settle(seq);
    }

    /// A number that needs nobody's attention any more: refused, a notice, or processed.
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
        (self.contiguous > self.told).then_some(AckParams { epoch: self.epoch, seq: self.contiguous })
    }

    pub(crate) fn told(&mut self, ack: AckParams) {
        if ack.epoch == self.epoch {
            self.told = self.told.max(ack.seq);
        }
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::envelope::MessageId;

    use super::*;

    fn key(n: u8) -> Key {
        ("did:wba:localhost:agent:bob".parse().unwrap(), MessageId::new(1, [n; 10]))
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::new(Seen::new());
        ledger.begin(7);
        ledger
    }

    fn show(ledger: &mut Ledger, seq: u64, n: u8) {
        assert_eq!(ledger.arrived(seq, &key(n)), Standing::New);
        assert!(ledger.hold(seq, key(n)));
    }

    fn due(ledger: &Ledger) -> Option<u64> {
        ledger.due().map(|ack| ack.seq)
    }

    #[test]
    fn an_acknowledgement_waits_for_everything_before_it() {
        let mut ledger = ledger();
        (1..=3).for_each(|n| show(&mut ledger, u64::from(n), n));
        ledger.processed(&key(3), 100, 1);
        ledger.processed(&key(2), 100, 1);
        assert_eq!(due(&ledger), None);
        ledger.processed(&key(1), 100, 1);
        assert_eq!(ledger.due(), Some(AckParams { epoch: 7, seq: 3 }));
        ledger.told(AckParams { epoch: 7, seq: 3 });
        assert_eq!(due(&ledger), None);
    }

    #[test]
    fn a_refused_message_does_not_block_the_ones_behind_it() {
        let mut ledger = ledger();
        ledger.settle(1);
        show(&mut ledger, 2, 2);
        assert_eq!(due(&ledger), Some(1));
        ledger.processed(&key(2), 100, 1);
        assert_eq!(due(&ledger), Some(2));
    }

    #[test]
    fn a_copy_of_a_processed_message_is_settled_and_not_shown() {
        let mut ledger = ledger();
        show(&mut ledger, 1, 1);
        ledger.processed(&key(1), 100, 1);
        ledger.begin(8);
        assert_eq!(ledger.arrived(1, &key(1)), Standing::Processed);
        assert_eq!(ledger.due(), Some(AckParams { epoch: 8, seq: 1 }));
    }

    #[test]
    fn an_ephemeral_message_is_shown_once_and_settled_each_time() {
        let mut ledger = ledger();
        assert!(ledger.pass(1, key(1), 100, 1));
        assert!(!ledger.pass(2, key(1), 100, 1));
        assert_eq!(due(&ledger), Some(2));
    }

    #[test]
    fn a_message_held_across_a_reconnect_is_acknowledged_under_its_new_number() {
        let mut ledger = ledger();
        show(&mut ledger, 1, 1);
        show(&mut ledger, 2, 2);
        ledger.processed(&key(1), 100, 1);
        ledger.begin(8);
        assert_eq!(ledger.arrived(1, &key(2)), Standing::Held);
        assert_eq!(due(&ledger), None);
        ledger.processed(&key(2), 100, 1);
        assert_eq!(ledger.due(), Some(AckParams { epoch: 8, seq: 1 }));
    }

    #[test]
    fn acknowledging_before_the_redelivery_settles_it_when_it_comes() {
        let mut ledger = ledger();
        show(&mut ledger, 1, 1);
        ledger.begin(8);
        ledger.processed(&key(1), 100, 1);
        assert_eq!(due(&ledger), None, "this epoch has delivered nothing yet");
        assert_eq!(ledger.arrived(1, &key(1)), Standing::Processed);
        assert_eq!(due(&ledger), Some(1));
    }

    #[test]
    fn an_acknowledgement_told_in_an_old_epoch_does_not_count_in_the_new_one() {
        let mut ledger = ledger();
        show(&mut ledger, 1, 1);
        ledger.processed(&key(1), 100, 1);
        let old = ledger.due().unwrap();
        ledger.begin(8);
        ledger.arrived(1, &key(1));
        ledger.told(old);
        assert_eq!(due(&ledger), Some(1));
    }

    #[test]
    fn an_application_that_holds_too_many_gets_no_more() {
        let mut ledger = ledger();
        for n in 0..HELD_MAX {
            let random: [u8; 10] = std::array::from_fn(|i| if i < 8 { n.to_be_bytes()[i] } else { 0 });
            assert!(ledger.hold(n + 1, (key(0).0, MessageId::new(1, random))));
        }
        assert!(!ledger.hold(HELD_MAX + 1, key(255)));
    }

    proptest! {
        /// In any order of processing and with reconnects in between, the relay is told exactly the processed prefix.
        #[test]
        fn the_relay_is_told_the_processed_prefix_and_nothing_more(
            order in Just((1..=20u8).collect::<Vec<_>>()).prop_shuffle(),
            cut in 0..20usize,
        ) {
            let mut ledger = ledger();
            (1..=20).for_each(|n| show(&mut ledger, u64::from(n), n));
            let (before, after) = order.split_at(cut);
            before.iter().for_each(|n| ledger.processed(&key(*n), 100, 1));
            let prefix = (1..=20u8).take_while(|n| before.contains(n)).count();
            prop_assert_eq!(due(&ledger).unwrap_or(0), u64::try_from(prefix).unwrap());

            // The relay got the acknowledgement, then the connection broke: it delivers the rest again.
            ledger.begin(8);
            let rest: Vec<u8> = (1..=20).skip(prefix).collect();
            for (seq, n) in (1..).zip(&rest) {
                prop_assert_ne!(ledger.arrived(seq, &key(*n)), Standing::New);
            }
            after.iter().for_each(|n| ledger.processed(&key(*n), 100, 1));
            prop_assert_eq!(due(&ledger).unwrap_or(0), u64::try_from(rest.len()).unwrap());
        }
    }
}
