//! Regression tests: what removed agents leave behind, while the relay runs and over a restart.

use super::*;

/// A directory from which bob was removed.
#[derive(Debug)]
struct WithoutBob;

impl AgentRegistry for WithoutBob {
    fn tenant_of(&self, did: &str) -> Option<TenantId> {
        if did == agent(BOB).as_str() { None } else { FixedAgents.tenant_of(did) }
    }
}

#[test]
fn a_mailbox_without_an_agent_is_dropped_at_the_start_and_the_senders_are_told() {
    let mut relay = TestCore::new();
    let message = relay.message(ALICE, BOB);
    let row = restored_row(&relay, &message);
    relay.core = Core::new(test_limits(), 2, 2, relay.now);
    relay.core.restore(&row, &WithoutBob);
    relay.open(1, ALICE);
    let dropped = relay.pass(10);
    let [notice] = inserted(&dropped)[..] else { panic!("{dropped:?}") };
    let ends = WriteContent::Notice { outcome: Outcome::Dropped, reason: None, ends: Some(1) };
    assert_eq!(notice.content, ends, "the row leaves with the notice, so that a crash loses neither");
    assert_eq!(removals(&dropped), []);
    assert_eq!(notices(&relay.step(Event::Stored { upto: 2 })), [(1, Outcome::Dropped, 0)]);
    assert_eq!(relay.core.stats().rows, 1, "the notice alone");
}

#[test]
fn ids_of_removed_senders_are_forgotten() {
    let mut relay = TestCore::with(CoreLimits { dedup_entries_max: 10, ..test_limits() });
    let bob = epoch(&relay.open(1, BOB));
    let alice = agent(ALICE);
    for round in 1..=100 {
        relay.open(1 + round, ALICE);
        // The message is in flight, and its sender waits.
        assert_eq!(deliveries(&relay.reliable(1 + round, ALICE, BOB)), [(1, round)]);
        relay.step(Event::AgentRemoved { did: alice.as_str() });
        relay.pass(50);
        assert_eq!(relay.core.stats().remembered, 0);
    }
    relay.ack(1, bob, 100);
    assert_eq!(relay.core.stats().held_bytes, 0);
}
