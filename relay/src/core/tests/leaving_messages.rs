//! Regression tests: a sender hears that a message has ended when that is on disk, and nothing else
//! after it. A crash would bring the message back otherwise.

use super::*;

/// Alice has sent a message that was written, and bob has it as delivery 1.
fn written() -> (TestCore, u64, TestMessage) {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let epoch = epoch(&relay.open(2, BOB));
    let message = relay.message(ALICE, BOB);
    relay.submit(1, &message);
    assert_eq!(rows(&relay.pass(50)), [1]);
    (relay, epoch, message)
}

fn removed(relay: &mut TestCore) -> Vec<Effect> {
    relay.step(Event::Removed { rows: vec![1] })
}

#[test]
fn a_stored_message_is_delivered_for_its_sender_when_its_removal_is_on_disk() {
    let (mut relay, epoch, message) = written();
    assert_eq!(status(&relay.step(Event::Stored { upto: 1 })), Some(SendStatus::Stored));
    let acked = relay.ack(2, epoch, 1);
    assert_eq!(removals(&acked), [(1, Some(Outcome::Delivered))]);
    assert_eq!(notices(&acked), []);
    assert_eq!(status(&relay.submit(1, &message)), Some(SendStatus::Stored), "a crash can bring it back");
    assert_eq!(notices(&removed(&mut relay)), [(0, Outcome::Delivered, 0)]);
    assert_eq!(status(&relay.submit(1, &message)), Some(SendStatus::Delivered));
}

#[test]
fn a_message_that_is_acknowledged_while_it_is_written_is_answered_after_the_commit() {
    let (mut relay, epoch, message) = written();
    assert_eq!(status(&relay.ack(2, epoch, 1)), None);
    assert_eq!(refusal(&relay.submit(1, &message)), Some(Reason::Overloaded), "its answer comes");
    assert_eq!(status(&relay.step(Event::Stored { upto: 1 })), None);
    assert_eq!(status(&removed(&mut relay)), Some(SendStatus::Delivered));
    assert_eq!(removed(&mut relay), [], "once");
}

#[test]
fn a_message_that_is_refused_while_it_is_written_is_answered_after_the_commit() {
    let (mut relay, epoch, message) = written();
    let reason = protocol::refusal::RefusalReason::Undecryptable;
    let refused = relay.step(Event::Refused { conn: ConnId(2), epoch, seq: 1, reason });
    assert_eq!(removals(&refused), [(1, Some(Outcome::Refused))]);
    assert_eq!(error(&refused), None);
    assert_eq!(error(&removed(&mut relay)), Some(SendError::refused(reason)));
    assert_eq!(error(&relay.submit(1, &message)), Some(SendError::ended(Outcome::Refused)));
}

#[test]
fn a_message_never_stored_is_answered_without_the_disk() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let epoch = epoch(&relay.open(2, BOB));
    relay.reliable(1, ALICE, BOB);
    let acked = relay.ack(2, epoch, 1);
    assert_eq!((removals(&acked), status(&acked)), (vec![], Some(SendStatus::Delivered)));
}

#[test]
fn nobody_waits_for_a_removal_while_the_store_fails() {
    let (mut relay, epoch, message) = written();
    relay.ack(2, epoch, 1);
    let failed = relay.step(Event::StoreFailed { upto: 1 });
    assert_eq!(refusal(&failed), Some(Reason::StorageUnavailable));
    assert_eq!(refusal(&relay.submit(1, &message)), Some(Reason::StorageUnavailable));
    relay.step(Event::StoreRecovered);
    assert_eq!(relay.submit(1, &message), [Effect::Count(Counter::Repeated)], "it waits again");
    assert_eq!(status(&removed(&mut relay)), Some(SendStatus::Delivered));
}

#[test]
fn nobody_waits_for_a_removal_that_hangs() {
    let (mut relay, epoch, message) = written();
    relay.ack(2, epoch, 1);
    assert_eq!(refusal(&relay.step(Event::StoreStalled)), Some(Reason::Overloaded));
    assert_eq!(refusal(&relay.submit(1, &message)), Some(Reason::Overloaded));
    removed(&mut relay);
    assert_eq!(status(&relay.submit(1, &message)), Some(SendStatus::Delivered));
}
