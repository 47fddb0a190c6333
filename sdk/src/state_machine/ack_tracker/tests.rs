//! Tests of the acknowledgement tracker: what is settled, shown again and refused, and when.

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

#[test]
fn ephemeral_messages_are_remembered_up_to_the_same_limit() {
    let mut tracker = AckTracker::<u8>::new(DedupTable::with_entries_max(2));
    tracker.start_epoch(1, true);
    (1..=3).for_each(|n| assert!(tracker.accept_ephemeral(n.into(), key(n), 100, 1)));
    assert!(!tracker.accept_ephemeral(4, key(3), 100, 1));
    assert!(tracker.accept_ephemeral(5, key(1), 100, 1), "the oldest is forgotten");
}

#[test]
fn a_message_that_comes_on_both_ways_is_shown_once_and_settled_on_both() {
    let mut tracker = tracker();
    assert_eq!(tracker.hold_direct(&key(1), 1, 100), DirectHold::New);
    tracker.on_arrival(1, 100);
    assert_eq!(tracker.on_delivery(1, &key(1)), DeliveryState::Held);
    tracker.mark_processed(&key(1), 100, 1);
    assert_eq!(due(&mut tracker), Some(1));
    assert_eq!(tracker.hold_direct(&key(1), 1, 100), DirectHold::Processed);

    deliver(&mut tracker, 2, 2);
    assert_eq!(tracker.hold_direct(&key(2), 2, 100), DirectHold::Held);
}

#[test]
fn a_dropped_message_is_shown_again_as_long_as_a_direct_connection_waits_for_it() {
    let mut tracker = tracker();
    tracker.hold_direct(&key(1), 1, 100);
    tracker.start_epoch(8, true);
    assert!(tracker.release(&key(1)).is_some(), "the relay's sessions do not matter to it");
    tracker.end_direct(&key(1));
    assert!(tracker.release(&key(1)).is_none(), "its sender brings it again");
    assert_eq!(tracker.hold_direct(&key(1), 1, 100), DirectHold::New);
}

#[test]
fn messages_of_direct_connections_leave_room_for_the_relays_window() {
    let mut tracker = tracker();
    let wide = |n: usize| -> MessageKey {
        let did = "did:wba:localhost:agent:bob".parse().unwrap();
        (did, MessageId::new(u64::try_from(n).unwrap(), [0; 10]))
    };
    for n in 0..DIRECT_HELD_MAX {
        assert_eq!(tracker.hold_direct(&wide(n), 0, 100), DirectHold::New);
    }
    assert_eq!(tracker.hold_direct(&wide(DIRECT_HELD_MAX), 0, 100), DirectHold::Full);
    deliver(&mut tracker, 1, 200);
    tracker.mark_processed(&wide(0), 100, 1);
    assert_eq!(tracker.hold_direct(&wide(DIRECT_HELD_MAX), 0, 100), DirectHold::New);
    tracker.forget_expired(1000);
    assert_eq!(tracker.state_of(&wide(1)), DeliveryState::Held, "somebody waits for it");
}
