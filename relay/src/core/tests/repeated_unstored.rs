//! Regression tests: a message that the store refused while it was in flight is sent again while
//! its recipient is in backlog. It must not hide what waits in the mailbox.

use super::*;

fn core_with_window(window_messages: u64) -> TestCore {
    TestCore::with(CoreLimits { window_messages, ..test_limits() })
}

/// Acknowledges everything until nothing more is delivered, and returns the bodies in their order.
fn receive_all(relay: &mut TestCore, conn: u64, epoch: u64, first_seq: u64) -> Vec<Bytes> {
    let (mut found, mut seq) = (Vec::new(), first_seq);
    loop {
        let acked = relay.ack(conn, epoch, seq);
        let effects = relay.read_pages(acked);
        match deliveries(&effects).last() {
            Some((_, last)) => seq = *last,
            None => return found,
        }
        found.extend(bodies(&effects));
    }
}

#[test]
fn a_repetition_in_backlog_leaves_every_stored_message_deliverable() {
    let mut relay = core_with_window(4);
    relay.open(1, ALICE);
    let epoch = epoch(&relay.open(2, BOB));
    relay.open(3, CAROL);
    let repeated = relay.message(ALICE, BOB);
    assert_eq!(deliveries(&relay.submit(1, &repeated)), [(2, 1)]);
    assert_eq!(rows(&relay.pass(50)), [1]);
    let failed = relay.step(Event::StoreFailed { upto: 1 });
    assert_eq!(refusal(&failed), Some(Reason::StorageUnavailable));
    relay.step(Event::StoreRecovered);

    let sent: Vec<TestMessage> = (0..10).map(|_| relay.message(CAROL, BOB)).collect();
    let delivered: usize = sent.iter().map(|message| deliveries(&relay.submit(3, message)).len()).sum();
    assert_eq!(delivered, 3, "then the window is full");
    let stored = relay.step(Event::Stored { upto: 11 });
    let answers = stored.iter().filter(|effect| matches!(effect, Effect::Answer { .. })).count();
    assert_eq!(answers, 10, "carol was told `stored` of each");

    assert_eq!(deliveries(&relay.submit(1, &repeated)), [], "it is in flight already");
    relay.pass(50);
    assert_eq!(status(&relay.step(Event::Stored { upto: 12 })), Some(SendStatus::Stored));
    let later: Vec<Bytes> = sent.iter().skip(3).map(|message| message.envelope.clone()).collect();
    assert_eq!(receive_all(&mut relay, 2, epoch, 4), later, "each once, and in order");
    assert_eq!(relay.core.mailbox_rows(agent(BOB).as_str()), 0);
    assert_eq!(deliveries(&relay.reliable(3, CAROL, BOB)).len(), 1, "the session is live again");
}

#[test]
fn the_grace_of_a_repetition_may_end_while_a_page_is_read() {
    let mut relay = core_with_window(4);
    relay.open(1, ALICE);
    let epoch = epoch(&relay.open(2, BOB));
    relay.open(3, CAROL);
    relay.reliable(3, CAROL, BOB);
    relay.reliable(3, CAROL, BOB);
    let repeated = relay.message(ALICE, BOB);
    relay.submit(1, &repeated);
    assert_eq!(rows(&relay.pass(50)), [1, 2, 3]);
    relay.step(Event::StoreFailed { upto: 3 });
    relay.step(Event::StoreRecovered);
    let sent: Vec<TestMessage> = (0..6).map(|_| relay.message(CAROL, BOB)).collect();
    for message in &sent {
        relay.submit(3, message);
    }
    relay.step(Event::Stored { upto: 9 });

    let reading = relay.ack(2, epoch, 2);
    assert!(matches!(reading.as_slice(), [Effect::LoadPage { .. }]), "{reading:?}");
    assert_eq!(rows(&relay.submit(1, &repeated)), [10]);
    relay.pass(50);
    let mut found = bodies(&relay.read_pages(reading));
    assert_eq!(status(&relay.step(Event::Stored { upto: 10 })), Some(SendStatus::Stored));
    found.extend(receive_all(&mut relay, 2, epoch, 6));
    let waited: Vec<Bytes> = sent.iter().skip(1).map(|message| message.envelope.clone()).collect();
    assert_eq!(found, waited, "each once, and in order");
    assert_eq!(relay.core.mailbox_rows(agent(BOB).as_str()), 0);
}

#[test]
fn the_id_of_a_failed_row_is_refused_until_the_row_is_gone_for_certain() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let message = relay.message(ALICE, BOB);
    assert_eq!(rows(&relay.submit(1, &message)), [1]);
    relay.step(Event::StoreFailed { upto: 1 });
    // The row may be on disk: delivered now, the message could come back after a crash and expire.
    let epoch = epoch(&relay.open(2, BOB));
    assert_eq!(refusal(&relay.submit(1, &message)), Some(Reason::StorageUnavailable));
    assert_eq!(deliveries(&relay.reliable(1, ALICE, BOB)).len(), 1, "another message needs no disk");
    relay.step(Event::StoreRecovered);
    assert_eq!(deliveries(&relay.submit(1, &message)), [(2, 2)]);
    assert_eq!(status(&relay.ack(2, epoch, 2)), Some(SendStatus::Delivered));
}
