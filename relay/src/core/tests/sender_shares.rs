//! Regression tests: a sender's ids are remembered whatever other senders do.

use super::*;

/// Sends messages that bob acknowledges at once, and returns them. `seq` is his last delivery.
fn exchange(
    relay: &mut TestCore,
    (conn, from): (u64, usize),
    bob: u64,
    seq: &mut u64,
    count: usize,
) -> Vec<TestMessage> {
    let send = |_| {
        let message = relay.message(from, BOB);
        *seq += 1;
        assert_eq!(deliveries(&relay.submit(conn, &message)), [(2, *seq)]);
        assert_eq!(status(&relay.ack(2, bob, *seq)), Some(SendStatus::Delivered));
        message
    };
    (0..count).map(send).collect()
}

#[test]
fn a_busy_sender_makes_the_relay_forget_no_ids_of_others() {
    let mut relay = TestCore::with(CoreLimits { dedup_entries_max: 20, ..test_limits() });
    relay.open(1, ALICE);
    let bob = epoch(&relay.open(2, BOB));
    relay.open(3, CAROL);
    let mut seq = 0;
    let kept = exchange(&mut relay, (1, ALICE), bob, &mut seq, 10);
    let many = exchange(&mut relay, (3, CAROL), bob, &mut seq, 200);
    for message in &kept {
        let again = relay.submit(1, message);
        assert_eq!((status(&again), deliveries(&again)), (Some(SendStatus::Delivered), vec![]));
    }
    assert_eq!(relay.core.stats().remembered, 20);
    let (forgotten, newest) = (many.first().unwrap(), many.last().unwrap());
    assert_eq!(status(&relay.submit(3, newest)), Some(SendStatus::Delivered));
    assert_eq!(deliveries(&relay.submit(3, forgotten)).len(), 1, "beyond her part, as the contract says");
}
