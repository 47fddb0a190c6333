//! Tests of the shares that tenants have of the rows that wait for the store.

use protocol::Reason;

use super::test_core::*;
use crate::core::{CoreLimits, Effect, Event, Write, WriteRow};

const WRITES: usize = 16;

fn refusal(effects: &[Effect]) -> Option<Reason> {
    effects.iter().find_map(|effect| match effect {
        Effect::Refuse { error, .. } => Some(error.reason),
        _ => None,
    })
}

fn written(effects: &[Effect]) -> Option<u64> {
    effects.iter().find_map(|effect| match effect {
        Effect::Write(Write::Insert(WriteRow { row, .. })) => Some(*row),
        _ => None,
    })
}

fn relay() -> TestCore {
    let mut relay = TestCore::with(CoreLimits { writes_pending: WRITES, ..test_limits() });
    relay.open(1, ALICE);
    relay.open(2, EVE);
    relay
}

#[test]
fn a_tenant_that_fills_the_queue_to_the_store_leaves_room_for_another() {
    let mut relay = relay();
    let taken = (0..WRITES).take_while(|_| refusal(&relay.reliable(1, ALICE, BOB)).is_none()).count();
    assert_eq!(taken, WRITES / 2, "as many as are free");
    assert_eq!(refusal(&relay.reliable(1, ALICE, CAROL)), Some(Reason::Overloaded));
    let taken = (0..WRITES).take_while(|_| refusal(&relay.reliable(2, EVE, MALLORY)).is_none()).count();
    assert_eq!(taken, WRITES / 4, "as many as are free beside the first tenant");
}

#[test]
fn rows_that_were_committed_or_whose_agent_was_removed_count_no_longer() {
    let mut relay = relay();
    let mut last = 0;
    for _ in 0..WRITES / 2 {
        last = written(&relay.reliable(1, ALICE, BOB)).unwrap();
    }
    relay.step(Event::Stored { upto: last - 1 });
    relay.step(Event::AgentRemoved { did: agent(BOB).as_str() });
    let taken = (0..WRITES).take_while(|_| refusal(&relay.reliable(1, ALICE, CAROL)).is_none()).count();
    // The row of the removed agent is still in the queue, and belongs to nobody.
    assert_eq!(taken, (WRITES - 1).div_ceil(2));
}
