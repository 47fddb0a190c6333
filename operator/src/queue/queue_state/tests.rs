//! Tests of the queue's decisions: single cases, and random sequences against a model.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::object_key::{Kind, NamespacedName};

const GENERAL: WorkerKind = WorkerKind::General;

fn key(name: &str) -> ObjectKey {
    NamespacedName::new("team", name).key(Kind::Agent)
}

fn take(state: &mut QueueState, now: Instant) -> Option<ObjectKey> {
    state.start_next(GENERAL, now).map(|next| next.key)
}

#[test]
fn a_revocation_overtakes_queued_objects_and_relays_overtake_it() {
    let (mut state, now) = (QueueState::default(), Instant::now());
    for name in ["a", "b", "c", "relay"] {
        state.add(key(name), Priority::Normal, now);
    }
    state.add(key("c"), Priority::Urgent, now);
    state.add(key("relay"), Priority::First, now);
    let order: Vec<_> = std::iter::from_fn(|| take(&mut state, now)).collect();
    assert_eq!(order, ["relay", "c", "a", "b"].map(key));
}

#[test]
fn an_object_is_reconciled_once_at_a_time_and_what_became_urgent_meanwhile_stays_urgent() {
    let (mut state, now) = (QueueState::default(), Instant::now());
    state.add(key("a"), Priority::Normal, now);
    assert_eq!(take(&mut state, now), Some(key("a")));
    state.add(key("a"), Priority::Normal, now);
    state.add(key("a"), Priority::Urgent, now);
    assert_eq!(take(&mut state, now), None);
    state.finish(key("a"), NextPass::OnEvent, now);
    state.add(key("b"), Priority::Normal, now);
    let next = state.start_next(WorkerKind::Reserved, now).unwrap();
    assert_eq!((next.key, next.priority), (key("a"), Priority::Urgent));
    state.finish(key("a"), NextPass::OnEvent, now);
    assert_eq!(take(&mut state, now), Some(key("b")));
    assert_eq!(take(&mut state, now), None);
}

#[test]
fn an_earlier_delay_replaces_a_later_one() {
    let (mut state, now) = (QueueState::default(), Instant::now());
    for seconds in [60, 1, 90] {
        state.add_at(key("a"), now + Duration::from_secs(seconds), Priority::Normal, now);
    }
    assert_eq!(take(&mut state, now), None);
    assert_eq!(take(&mut state, now + Duration::from_secs(1)), Some(key("a")));
    state.finish(key("a"), NextPass::OnEvent, now);
    assert_eq!(take(&mut state, now + Duration::from_secs(100)), None);
}

#[test]
fn a_delay_that_was_asked_for_during_a_pass_is_kept() {
    let (mut state, now) = (QueueState::default(), Instant::now());
    let second = Duration::from_secs(1);
    state.add(key("a"), Priority::Normal, now);
    take(&mut state, now);
    state.add_at(key("a"), now + second, Priority::Normal, now);
    state.finish(key("a"), NextPass::OnEvent, now);
    assert_eq!(take(&mut state, now), None, "changes that come in quick succession cost one pass");
    assert_eq!(take(&mut state, now + second), Some(key("a")));
}

#[test]
fn a_revocation_that_is_retried_stays_urgent_and_a_done_one_does_not() {
    let second = Duration::from_secs(1);
    for (next, expected) in
        [(NextPass::Retry(second), Priority::Urgent), (NextPass::After(second), Priority::Normal)]
    {
        let (mut state, now) = (QueueState::default(), Instant::now());
        state.add(key("a"), Priority::Urgent, now);
        take(&mut state, now);
        state.finish(key("a"), next, now);
        assert_eq!(state.start_next(GENERAL, now + second).unwrap().priority, expected);
    }
}

#[test]
fn an_event_during_or_before_a_retry_does_not_make_it_less_urgent() {
    let (mut state, now) = (QueueState::default(), Instant::now());
    state.add(key("a"), Priority::Urgent, now);
    take(&mut state, now);
    state.add(key("a"), Priority::Normal, now);
    state.finish(key("a"), NextPass::Retry(Duration::from_secs(9)), now);
    assert_eq!(state.start_next(GENERAL, now).unwrap().priority, Priority::Urgent);
    state.finish(key("a"), NextPass::Retry(Duration::from_secs(9)), now);
    state.add_debounced(key("a"), Priority::Normal, now);
    let next = state.start_next(GENERAL, now + DEBOUNCE_INTERVAL).unwrap();
    assert_eq!(next.priority, Priority::Urgent);
}

#[test]
fn a_key_tells_how_long_it_waited_also_when_it_became_urgent() {
    let (mut state, now) = (QueueState::default(), Instant::now());
    state.add(key("a"), Priority::Normal, now);
    let later = now + Duration::from_secs(3);
    state.add(key("a"), Priority::Urgent, later);
    assert_eq!(state.age(later), Duration::from_secs(3));
    assert_eq!(state.start_next(GENERAL, later).unwrap().waited, Duration::from_secs(3));
    assert_eq!(state.age(later), Duration::ZERO);
}

/// One step of a random sequence.
#[derive(Debug, Clone)]
enum Step {
    Add(u8, Priority),
    AddAt(u8, u64),
    Take(WorkerKind),
    /// Returns the running key with this position.
    Finish(usize, NextPass),
    Advance(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let priority = prop_oneof![Just(Priority::Normal), Just(Priority::Urgent), Just(Priority::First)];
    let worker = prop_oneof![Just(WorkerKind::General), Just(WorkerKind::Reserved)];
    let next = prop_oneof![
        Just(NextPass::OnEvent),
        (0..50_u64).prop_map(|seconds| NextPass::After(Duration::from_secs(seconds))),
        (0..50_u64).prop_map(|seconds| NextPass::Retry(Duration::from_secs(seconds))),
    ];
    let step = prop_oneof![
        (0..6_u8, priority).prop_map(|(name, priority)| Step::Add(name, priority)),
        (0..6_u8, 0..50_u64).prop_map(|(name, seconds)| Step::AddAt(name, seconds)),
        worker.prop_map(Step::Take),
        (0..6_usize, next).prop_map(|(position, next)| Step::Finish(position, next)),
        (0..30_u64).prop_map(Step::Advance),
    ];
    prop::collection::vec(step, 1..120)
}

/// What the queue owes: for each key the latest time at which it must be there, and the least
/// priority that it then has.
#[derive(Debug, Default)]
struct Model {
    owed: BTreeMap<ObjectKey, (Instant, Priority)>,
    running: BTreeMap<ObjectKey, Priority>,
}

impl Model {
    fn owe(&mut self, key: ObjectKey, at: Instant, priority: Priority) {
        let owed = self.owed.entry(key).or_insert((at, priority));
        *owed = (owed.0.min(at), owed.1.max(priority));
    }

    /// Checks a key that a worker takes, or that there is none to take.
    fn check(&mut self, worker: WorkerKind, taken: Option<&QueuedKey>, now: Instant) {
        let is_ready = |key: &ObjectKey, at: Instant| at <= now && !self.running.contains_key(key);
        let is_taken = |priority: Priority| worker == GENERAL || priority == Priority::Urgent;
        let ready = self.owed.iter().filter(|(key, (at, _))| is_ready(key, *at));
        let greatest = ready.map(|(_, (_, priority))| *priority).filter(|found| is_taken(*found)).max();
        let Some(taken) = taken else {
            assert_eq!(greatest, None, "a key is lost");
            return;
        };
        assert_eq!(Some(taken.priority), greatest, "a key of greater priority waits");
        let owed = self.owed.remove(&taken.key).expect("nobody added this key");
        assert_eq!(owed.1, taken.priority);
        let running = self.running.insert(taken.key.clone(), taken.priority);
        assert_eq!(running, None, "two workers have one key");
    }

    fn finish(&mut self, key: &ObjectKey, next: NextPass, now: Instant) {
        let lane = self.running.remove(key).expect("no worker has this key");
        match next {
            NextPass::OnEvent => {}
            NextPass::After(delay) => self.owe(key.clone(), now + delay, Priority::Normal),
            NextPass::Retry(delay) => self.owe(key.clone(), now + delay, lane),
        }
    }
}

fn run(steps: Vec<Step>) {
    let (mut state, mut model, mut now) = (QueueState::default(), Model::default(), Instant::now());
    let name = |number: u8| key(&number.to_string());
    for step in steps {
        match step {
            Step::Add(number, priority) => {
                state.add(name(number), priority, now);
                model.owe(name(number), now, priority);
            }
            Step::AddAt(number, seconds) => {
                let at = now + Duration::from_secs(seconds);
                state.add_at(name(number), at, Priority::Normal, now);
                model.owe(name(number), at, Priority::Normal);
            }
            Step::Take(worker) => {
                let taken = state.start_next(worker, now);
                model.check(worker, taken.as_ref(), now);
            }
            Step::Finish(position, next) => {
                let Some(key) = model.running.keys().nth(position).cloned() else { continue };
                state.finish(key.clone(), next, now);
                model.finish(&key, next, now);
            }
            Step::Advance(seconds) => now += Duration::from_secs(seconds),
        }
    }
    drain(&mut state, &mut model, now);
}

/// After everything was returned and all timers are due, every owed key comes.
fn drain(state: &mut QueueState, model: &mut Model, now: Instant) {
    for key in std::mem::take(&mut model.running).into_keys() {
        state.finish(key, NextPass::OnEvent, now);
    }
    let end = now + Duration::from_secs(3600);
    loop {
        let taken = state.start_next(GENERAL, end);
        model.check(GENERAL, taken.as_ref(), end);
        let Some(taken) = taken else { break };
        state.finish(taken.key.clone(), NextPass::OnEvent, end);
        model.finish(&taken.key, NextPass::OnEvent, end);
    }
    assert!(model.owed.is_empty());
}

proptest! {
    #[test]
    fn no_key_is_lost_none_has_two_workers_and_the_greatest_priority_comes_first(steps in steps()) {
        run(steps);
    }
}
