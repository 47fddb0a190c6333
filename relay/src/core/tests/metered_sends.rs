//! Unit tests of the meter: every accepted send counts once, and nothing else counts.

use protocol::envelope::Class;
use protocol::refusal::RefusalReason;

use super::*;

/// Sender, class, messages and bytes of each meter event.
fn metered(effects: &[Effect]) -> Vec<(String, Class, u64, u64)> {
    let event = |effect: &Effect| match effect {
        Effect::Metered(event) => {
            assert_eq!(event.tenant.as_str(), "a");
            Some((event.agent.to_string(), event.class, event.messages, event.bytes))
        }
        _ => None,
    };
    effects.iter().filter_map(event).collect()
}

fn of_alice(class: Class, messages: u64, bytes: u64) -> Vec<(String, Class, u64, u64)> {
    vec![(agent(ALICE).to_string(), class, messages, bytes)]
}

#[test]
fn a_message_counts_when_it_is_delivered_and_a_repetition_of_it_does_not() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let epoch = epoch(&relay.open(2, BOB));
    let message = relay.message(ALICE, BOB);
    relay.submit(1, &message);
    assert_eq!(metered(&relay.pass(1)), []);
    relay.ack(2, epoch, 1);
    assert_eq!(metered(&relay.pass(1)), of_alice(Class::Reliable, 1, 3));
    assert_eq!(status(&relay.submit(1, &message)), Some(SendStatus::Delivered));
    assert_eq!(metered(&relay.pass(1)), []);
}

#[test]
fn a_message_counts_when_it_is_on_disk_and_not_again_when_it_is_delivered() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let sent = relay.reliable(1, ALICE, BOB);
    assert_eq!(metered(&relay.pass(1)), []);
    relay.step(Event::Stored { upto: rows(&sent)[0] });
    assert_eq!(metered(&relay.pass(1)), of_alice(Class::Reliable, 1, 3));
    let opened = relay.open(2, BOB);
    let epoch = epoch(&opened);
    relay.read_pages(opened);
    let acked = relay.ack(2, epoch, 1);
    let removed = removals(&acked).iter().map(|(row, _)| *row).collect();
    relay.step(Event::Removed { rows: removed });
    assert_eq!(metered(&relay.pass(1)), []);
}

#[test]
fn sends_are_added_up_until_they_are_told() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.open(2, BOB);
    let bob = agent(BOB);
    for _ in 0..3 {
        relay.send(1, ALICE, bob.as_str(), Class::Ephemeral);
    }
    assert_eq!(metered(&relay.pass(1)), of_alice(Class::Ephemeral, 3, 9));
    assert_eq!(metered(&relay.pass(1)), []);
}

#[test]
fn what_is_refused_does_not_count() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let epoch = epoch(&relay.open(2, BOB));
    relay.send(1, ALICE, "did:wba:example.com:agent:a:nobody", Class::Reliable);
    relay.reliable(1, ALICE, BOB);
    let (conn, reason) = (ConnId(2), RefusalReason::Undecryptable);
    relay.step(Event::Refused { conn, epoch, seq: 1, reason });
    let sent = relay.reliable(1, ALICE, CAROL);
    relay.step(Event::StoreFailed { upto: rows(&sent)[0] });
    assert_eq!(metered(&relay.pass(1)), []);
}

#[test]
fn a_message_that_is_acknowledged_after_the_store_refused_it_counts() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    let epoch = epoch(&relay.open(2, BOB));
    relay.reliable(1, ALICE, BOB);
    let overdue = relay.pass(50);
    relay.step(Event::StoreFailed { upto: rows(&overdue)[0] });
    relay.ack(2, epoch, 1);
    assert_eq!(metered(&relay.pass(1)), of_alice(Class::Reliable, 1, 3));
}

#[test]
fn the_sends_of_an_agent_are_told_before_it_is_removed() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.open(2, BOB);
    let (alice, bob) = (agent(ALICE), agent(BOB));
    relay.send(1, ALICE, bob.as_str(), Class::Ephemeral);
    let removed = relay.step(Event::AgentRemoved { did: alice.as_str() });
    assert_eq!(metered(&removed), of_alice(Class::Ephemeral, 1, 3));
    relay.open(3, ALICE);
    assert_eq!(metered(&relay.pass(1)), []);
}
