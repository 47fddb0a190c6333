//! Regression tests: while the store fails, hangs or is full, every sender gets an answer.

use protocol::quota::QuotaName;

use super::*;

fn refusals(effects: &[Effect], reason: Reason) -> usize {
    let refused = |effect: &&Effect| matches!(effect, Effect::Refuse { error, .. } if error.reason == reason);
    effects.iter().filter(refused).count()
}

/// Alice has sent three messages to bob, who is away.
fn three_written() -> (TestCore, Vec<TestMessage>) {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let sent: Vec<TestMessage> = (0..3).map(|_| relay.message(ALICE, BOB)).collect();
    for message in &sent {
        relay.submit(1, message);
    }
    (relay, sent)
}

#[test]
fn a_failure_is_told_to_everybody_who_waits() {
    let (mut relay, _) = three_written();
    let failed = relay.step(Event::StoreFailed { upto: 3 });
    assert_eq!(refusals(&failed, Reason::StorageUnavailable), 3);
    assert_eq!((relay.core.stats().writing, relay.core.stats().held_bytes), (0, 0));
}

#[test]
fn nobody_waits_for_a_commit_that_hangs_and_a_repetition_learns_its_result() {
    let (mut relay, sent) = three_written();
    let stalled = relay.step(Event::StoreStalled);
    assert_eq!(refusals(&stalled, Reason::Overloaded), 3);
    assert_eq!(refusal(&relay.submit(1, &sent[0])), Some(Reason::Overloaded));
    assert_eq!(refusal(&relay.reliable(1, ALICE, BOB)), Some(Reason::Overloaded), "it needs the disk");
    relay.open(2, CAROL);
    assert_eq!(deliveries(&relay.reliable(1, ALICE, CAROL)), [(2, 1)], "it does not");

    let stored = relay.step(Event::Stored { upto: 3 });
    assert_eq!(status(&stored), None, "each request has its answer");
    assert_eq!(status(&relay.submit(1, &sent[0])), Some(SendStatus::Stored));
    assert_eq!(rows(&relay.reliable(1, ALICE, BOB)), [4]);
}

#[test]
fn repetitions_that_wait_again_count_as_sends_that_wait() {
    let mut relay = TestCore::with(CoreLimits { unanswered_sends: 2, ..test_limits() });
    relay.open(1, ALICE);
    let sent: Vec<TestMessage> = (0..2).map(|_| relay.message(ALICE, BOB)).collect();
    for message in &sent {
        relay.submit(1, message);
    }
    relay.step(Event::StoreStalled);
    relay.step(Event::Removed { rows: Vec::new() });
    assert_eq!(rows(&relay.reliable(1, ALICE, BOB)), [3]);
    assert_eq!(refusal(&relay.submit(1, &sent[0])), None, "it waits again, as the second");
    let refused = error(&relay.submit(1, &sent[1])).unwrap();
    assert_eq!(refused.quota.map(|quota| quota.name), Some(QuotaName::UnansweredSends));
    relay.step(Event::Stored { upto: 3 });
    assert_eq!(status(&relay.submit(1, &sent[1])), Some(SendStatus::Stored));
}

#[test]
fn a_full_disk_refuses_messages_and_takes_what_frees_room() {
    let (mut relay, _) = three_written();
    relay.step(Event::Stored { upto: 3 });
    relay.step(Event::StoreFailed { upto: 0 });
    relay.step(Event::StoreFull);
    assert_eq!(refusal(&relay.reliable(1, ALICE, BOB)), Some(Reason::StorageUnavailable));
    let expired = relay.pass(60_000);
    assert_eq!(rows(&expired), [4, 5, 6], "notices, which end the messages");
    relay.step(Event::Stored { upto: 6 });
    relay.step(Event::StoreRecovered);
    assert_eq!(rows(&relay.reliable(1, ALICE, BOB)), [7]);
}

#[test]
fn nothing_expires_while_its_notice_cannot_be_written() {
    let (mut relay, _) = three_written();
    relay.step(Event::Stored { upto: 3 });
    relay.step(Event::StoreFailed { upto: 0 });
    assert_eq!(rows(&relay.pass(60_000)), [] as [RowId; 0]);
    relay.step(Event::StoreRecovered);
    assert_eq!(rows(&relay.pass(10)), [4, 5, 6]);
}
