//! Regression tests: notices of one mailbox are limited, and do not count against what others may
//! send to it.

use super::*;

fn core_with_three_notices(mailbox_messages: u32) -> TestCore {
    TestCore::with(CoreLimits { mailbox_notices: 3, mailbox_messages, ..test_limits() })
}

/// Sends a message to bob, who is away, and lets it expire. Returns what happens when the store has
/// all of it.
fn expire_one(relay: &mut TestCore) -> Vec<Effect> {
    let sent = relay.reliable(1, ALICE, BOB);
    let row = *rows(&sent).last().unwrap();
    relay.step(Event::Stored { upto: row });
    relay.pass(60_000);
    relay.step(Event::Stored { upto: row + 1 })
}

#[test]
fn a_sender_that_acknowledges_no_notice_does_not_fill_the_relay() {
    let mut relay = core_with_three_notices(1);
    let epoch = epoch(&relay.open(1, ALICE));
    let mut found = Vec::new();
    for _ in 0..10 {
        found.extend(notices(&expire_one(&mut relay)));
        assert!(relay.core.mailbox_rows(agent(ALICE).as_str()) <= 3);
    }
    assert_eq!(found, [1, 2, 3].map(|seq| (seq, Outcome::Expired, 0)));

    relay.open(3, CAROL);
    assert_eq!(refusal(&relay.reliable(3, CAROL, ALICE)), None, "her mailbox has room for messages");
    relay.ack(1, epoch, 4);
    let next = expire_one(&mut relay);
    assert_eq!(notices(&next).last().unwrap().2, 7, "those that were dropped: {next:?}");
}

#[test]
fn the_oldest_notice_that_waits_makes_room_for_a_newer_one() {
    let mut relay = core_with_three_notices(10);
    relay.open(1, ALICE);
    for _ in 0..3 {
        relay.reliable(1, ALICE, BOB);
    }
    relay.pass(1_000);
    for _ in 0..2 {
        relay.reliable(1, ALICE, BOB);
    }
    relay.step(Event::Stored { upto: 5 });
    relay.step(Event::Closed { conn: ConnId(1) });
    assert_eq!(rows(&relay.pass(59_000)), [6, 7, 8]);
    relay.step(Event::Stored { upto: 8 });
    let dropped = relay.pass(1_000);
    assert_eq!((rows(&dropped), removals(&dropped)), (vec![9, 10], vec![(6, None), (7, None)]));
    relay.step(Event::Stored { upto: 10 });
    let told = notices(&relay.open(2, ALICE));
    assert_eq!(told, [(1, Outcome::Expired, 2), (2, Outcome::Expired, 0), (3, Outcome::Expired, 0)]);
}

#[test]
fn what_waited_behind_a_notice_that_was_dropped_is_delivered() {
    let mut relay = TestCore::new();
    let now = relay.now;
    relay.core = Core::new(CoreLimits { mailbox_notices: 1, ..test_limits() }, 4, 1, now);
    let (to_alice, to_bob) = (relay.message(BOB, ALICE), relay.message(ALICE, BOB));
    let kind = RowKind::Notice { outcome: Outcome::Expired, reason: None };
    let waiting = RestoredRow { row: 2, ..restored_row(&relay, &to_alice) };
    let expired_notice = RestoredRow { row: 1, kind, size: 0, expires: now.unix - 1, ..waiting.clone() };
    let ended = RestoredRow { row: 3, expires: now.unix - 2, ..restored_row(&relay, &to_bob) };
    for row in [expired_notice, waiting, ended] {
        relay.core.restore(&row, &FixedAgents);
    }
    relay.open(1, ALICE);
    let effects = relay.pass(1);
    assert_eq!(removals(&effects), [(1, None)], "the notice of the row 3 takes its place");
    let is_read = |effect: &Effect| matches!(effect, Effect::LoadPage { rows, .. } if *rows == [2]);
    assert!(effects.iter().any(is_read), "{effects:?}");
}
