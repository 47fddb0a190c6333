//! Regression tests: a message that has ended is never said to be stored when it is sent again.

use super::*;

/// Alice has sent a message to bob, who is away, and was told that it is stored.
fn stored() -> (TestCore, TestMessage) {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let message = relay.message(ALICE, BOB);
    relay.submit(1, &message);
    assert_eq!(status(&relay.step(Event::Stored { upto: 1 })), Some(SendStatus::Stored));
    (relay, message)
}

fn remove_bob(relay: &mut TestCore) -> Vec<Effect> {
    let bob = agent(BOB);
    relay.step(Event::AgentRemoved { did: bob.as_str() })
}

#[test]
fn an_expired_message_that_is_sent_again_is_said_to_have_ended() {
    let (mut relay, message) = stored();
    relay.pass(60_000);
    assert_eq!(refusal(&relay.submit(1, &message)), Some(Reason::Overloaded), "the end is not on disk");
    assert_eq!(notices(&relay.step(Event::Stored { upto: 2 })), [(1, Outcome::Expired, 0)]);
    assert_eq!(error(&relay.submit(1, &message)), Some(SendError::ended(Outcome::Expired)));
    assert_eq!(relay.core.mailbox_rows(agent(BOB).as_str()), 0);
}

#[test]
fn a_dropped_message_has_ended_also_when_its_recipient_exists_again() {
    let (mut relay, message) = stored();
    remove_bob(&mut relay);
    relay.pass(10);
    assert_eq!(notices(&relay.step(Event::Stored { upto: 2 })), [(1, Outcome::Dropped, 0)]);
    relay.open(2, BOB);
    assert_eq!(error(&relay.submit(1, &message)), Some(SendError::ended(Outcome::Dropped)));
}

#[test]
fn a_message_refused_while_it_is_written_leaves_nothing_behind() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let message = relay.message(ALICE, BOB);
    relay.submit(1, &message);
    let gone = remove_bob(&mut relay);
    assert_eq!(removals(&gone), [(1, None)], "the store forgets the id as well");
    assert_eq!(status(&relay.step(Event::Stored { upto: 1 })), None);
    assert_eq!(refusal(&relay.step(Event::Removed { rows: vec![1] })), Some(Reason::NotFound));
    assert_eq!(relay.core.stats().remembered, 0);
    assert_eq!(rows(&relay.submit(1, &message)), [2], "it is a new message");
}

#[test]
fn how_a_message_ended_is_remembered_over_a_restart() {
    let outcomes = [Outcome::Expired, Outcome::Dropped, Outcome::Refused];
    for outcome in outcomes {
        let (mut relay, message) = restarted_with(RowState::Left(outcome));
        assert_eq!(error(&relay.submit(1, &message)), Some(SendError::ended(outcome)));
    }
    let (mut relay, message) = restarted_with(RowState::Left(Outcome::Delivered));
    assert_eq!(status(&relay.submit(1, &message)), Some(SendStatus::Delivered));
    let (mut relay, message) = restarted_with(RowState::Waiting);
    assert_eq!(status(&relay.submit(1, &message)), Some(SendStatus::Stored));
}

/// A relay that finds one message of alice in its store, and alice is connected.
fn restarted_with(state: RowState) -> (TestCore, TestMessage) {
    let mut relay = TestCore::new();
    let message = relay.message(ALICE, BOB);
    let row = RestoredRow { state, ..restored_row(&relay, &message) };
    relay.core = Core::new(test_limits(), 2, 2, relay.now);
    relay.core.restore(&row, &FixedAgents);
    relay.open(1, ALICE);
    (relay, message)
}
