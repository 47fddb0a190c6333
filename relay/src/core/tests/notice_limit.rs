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
