//! Regression tests: a ttl is a duration. Nothing ends earlier or later because the wall clock was
//! set, or because a second had begun already.

use super::*;

/// A year, in seconds.
const CLOCK_STEP: u64 = 365 * 86_400;

/// Alice has sent a message that lives a minute to bob, who is away, and it is stored.
fn stored() -> TestCore {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.reliable(1, ALICE, BOB);
    relay.step(Event::Stored { upto: 1 });
    relay
}

fn steps(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| **effect == Effect::Count(Counter::ClockStepped)).count()
}

#[test]
fn a_wall_clock_that_jumps_ahead_expires_nothing_early() {
    let mut relay = stored();
    relay.now.unix += CLOCK_STEP;
    let stepped = relay.pass(10);
    assert_eq!((rows(&stepped), steps(&stepped)), (vec![], 1), "it is counted once");
    assert_eq!(relay.core.stats().clock_step_seconds, i64::try_from(CLOCK_STEP).unwrap());
    assert_eq!(steps(&relay.pass(10)), 0);
    assert_eq!(rows(&relay.pass(59_979)), [] as [RowId; 0]);
    assert_eq!(rows(&relay.pass(1)), [2]);
}

#[test]
fn a_wall_clock_that_jumps_back_expires_and_forgets_as_before() {
    let mut relay = stored();
    relay.now.unix -= CLOCK_STEP;
    assert_eq!(steps(&relay.pass(10)), 1);
    assert_eq!(rows(&relay.pass(59_990)), [2]);
    relay.step(Event::Stored { upto: 2 });
    let forgets: Vec<u64> = (0..4).filter_map(|_| forgotten_before(&relay.pass(300_000))).collect();
    assert_eq!(forgets.len(), 2, "every ten minutes of the monotonic clock");
    let early = |before: &u64| before + 86_400 > relay.now.unix;
    assert!(!forgets.iter().any(early), "nothing before its time: {forgets:?}");
}

fn forgotten_before(effects: &[Effect]) -> Option<u64> {
    effects.iter().find_map(|effect| match effect {
        Effect::Write(Write::Forget { accepted_before }) => Some(*accepted_before),
        _ => None,
    })
}

#[test]
fn a_ttl_counts_from_the_millisecond_in_which_the_message_arrived() {
    let mut relay = TestCore::new();
    relay.open(1, ALICE);
    relay.pass(970);
    let message = TestMessage { ttl: 1, ..relay.message(ALICE, BOB) };
    let sent = relay.submit(1, &message);
    let on_disk = inserted(&sent)[0].expires;
    assert_eq!(on_disk, relay.now.unix + 2, "a restart ends it later, and never early");
    relay.step(Event::Stored { upto: 1 });
    assert_eq!(rows(&relay.pass(999)), [] as [RowId; 0]);
    assert_eq!(rows(&relay.pass(1)), [2]);
}
