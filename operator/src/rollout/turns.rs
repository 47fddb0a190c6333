//! Hands out turns: so many at a time, and to a Relay before its gateway and its endpoints.
//!
//! What is restarting is read from the workloads themselves. Only what the caches do not show yet,
//! and who waits, is kept here. After a failover it is known again when every object was
//! reconciled once.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use super::workload::ObservedWorkload;
use super::{AwaitedTurn, is_rolling};
use crate::object_key::{NamespacedName, ObjectKey};

/// Turns that were handed out, and the objects that wait for one.
#[derive(Debug, Default)]
pub struct Rollouts(Mutex<State>);

/// What is updated before a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precedent {
    None,
    Relay(NamespacedName),
}

/// A workload that needs a turn.
#[derive(Debug)]
pub(super) struct TurnRequest<'a> {
    pub workload: &'a NamespacedName,
    /// The hash of the pod template that it gets.
    pub template: &'a str,
    /// The object that is reconciled again when a turn is free.
    pub owner: ObjectKey,
    pub precedent: &'a Precedent,
    /// How many workloads may be restarting at the same time.
    pub budget: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Workloads that got a turn, with the hash of the template that they get. An entry is dropped
    /// when the caches show it.
    started: HashMap<NamespacedName, String>,
    /// Whether the workload of a Relay is up to date and serves.
    relays: HashMap<NamespacedName, bool>,
    /// Objects that wait for their Relay.
    behind_relay: HashMap<NamespacedName, BTreeSet<ObjectKey>>,
    /// Objects that wait for a free turn.
    waiting: BTreeSet<ObjectKey>,
    /// What each waiting workload waits for.
    awaited: HashMap<NamespacedName, AwaitedTurn>,
}

impl State {
    fn request(&mut self, request: &TurnRequest<'_>, workloads: &Workloads) -> Option<AwaitedTurn> {
        let awaited = self.decide(request, workloads);
        match awaited {
            Some(awaited) => self.awaited.insert(request.workload.clone(), awaited),
            None => self.awaited.remove(request.workload),
        };
        awaited
    }

    fn decide(&mut self, request: &TurnRequest<'_>, workloads: &Workloads) -> Option<AwaitedTurn> {
        if self.started.get(request.workload).is_some_and(|template| template == request.template) {
            return None;
        }
        if let Precedent::Relay(relay) = request.precedent
            && self.relays.get(relay) != Some(&true)
        {
            self.behind_relay.entry(relay.clone()).or_default().insert(request.owner.clone());
            return Some(AwaitedTurn::Relay);
        }
        if self.rolling(workloads) >= request.budget {
            self.waiting.insert(request.owner.clone());
            return Some(AwaitedTurn::Budget);
        }
        self.started.insert(request.workload.clone(), request.template.to_owned());
        None
    }

    /// The number of workloads that are restarting by a turn.
    fn rolling(&mut self, workloads: &Workloads) -> usize {
        self.started.retain(|name, template| {
            let observed = workloads.get(name);
            observed.is_some_and(|found| found.stamp.as_ref().is_none_or(|stamp| stamp.template != *template))
        });
        let visible =
            workloads.iter().filter(|(name, found)| !self.started.contains_key(*name) && is_rolling(found));
        visible.count() + self.started.len()
    }

    /// Removes the objects that can get a turn now.
    fn take_waiting(&mut self, workloads: &Workloads, budget: usize) -> Vec<ObjectKey> {
        let free = budget.saturating_sub(self.rolling(workloads));
        std::iter::from_fn(|| self.waiting.pop_first()).take(free).collect()
    }

    fn report_relay(&mut self, relay: &NamespacedName, is_done: bool) {
        self.relays.insert(relay.clone(), is_done);
        if is_done {
            self.waiting.extend(self.behind_relay.remove(relay).unwrap_or_default());
        }
    }
}

/// Every workload of the operator, as the caches show it.
pub(super) type Workloads = HashMap<NamespacedName, ObservedWorkload>;

impl Rollouts {
    /// Asks for a turn. Says what it waits for if there is none.
    pub(super) fn request(
        &self,
        request: &TurnRequest<'_>,
        workloads: impl FnOnce() -> Workloads,
    ) -> Option<AwaitedTurn> {
        self.with(|state| state.request(request, &workloads()))
    }

    /// The objects that can get a turn now. They no longer wait.
    pub(super) fn take_waiting(
        &self,
        workloads: impl FnOnce() -> Workloads,
        budget: usize,
    ) -> Vec<ObjectKey> {
        self.with(|state| match state.waiting.is_empty() {
            true => Vec::new(),
            false => state.take_waiting(&workloads(), budget),
        })
    }

    /// What a workload waits for, for the conditions of its owner.
    #[must_use]
    pub fn awaited(&self, workload: &NamespacedName) -> Option<AwaitedTurn> {
        self.with(|state| state.awaited.get(workload).copied())
    }

    /// Forgets that a workload waited.
    pub(super) fn admit(&self, workload: &NamespacedName) {
        self.with(|state| state.awaited.remove(workload));
    }

    /// Forgets everything. The workloads themselves say what is restarting.
    pub fn clear(&self) {
        self.with(|state| *state = State::default());
    }

    pub(super) fn report_relay(&self, relay: &NamespacedName, is_done: bool) {
        self.with(|state| state.report_relay(relay, is_done));
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object_key::Kind;
    use crate::rollout::{Origin, Stamp};

    const BUDGET: usize = 2;

    fn name(text: &str) -> NamespacedName {
        NamespacedName::new("team", text)
    }

    fn observed(template: &str, origin: Origin, is_settled: bool) -> ObservedWorkload {
        let stamp = Some(Stamp { template: template.into(), author: String::new() });
        ObservedWorkload { stamp, origin, is_available: true, is_settled }
    }

    /// Asks for the endpoint of an agent.
    fn ask(state: &mut State, agent: &str, workloads: &Workloads) -> Option<AwaitedTurn> {
        let relay = Precedent::Relay(name("main"));
        let (workload, owner) = (name(agent), name(agent).key(Kind::Agent));
        let request =
            TurnRequest { workload: &workload, template: "new", owner, precedent: &relay, budget: BUDGET };
        state.request(&request, workloads)
    }

    fn old(names: &[&str]) -> Workloads {
        names.iter().map(|text| (name(text), observed("old", Origin::Author, true))).collect()
    }

    fn with_relay_done() -> State {
        let mut state = State::default();
        state.report_relay(&name("main"), true);
        state
    }

    #[test]
    fn endpoints_wait_for_a_relay_that_is_not_done_or_not_known_yet() {
        let (mut state, workloads) = (State::default(), old(&["a"]));
        assert_eq!(ask(&mut state, "a", &workloads), Some(AwaitedTurn::Relay));
        state.report_relay(&name("main"), false);
        assert_eq!(ask(&mut state, "a", &workloads), Some(AwaitedTurn::Relay));
        assert!(state.take_waiting(&workloads, BUDGET).is_empty());
        state.report_relay(&name("main"), true);
        assert_eq!(state.take_waiting(&workloads, BUDGET), [name("a").key(Kind::Agent)]);
        assert_eq!(ask(&mut state, "a", &workloads), None);
    }

    #[test]
    fn no_more_than_the_budget_restart_at_a_time_though_the_caches_lag() {
        let (mut state, mut workloads) = (with_relay_done(), old(&["a", "b", "c"]));
        assert_eq!((ask(&mut state, "a", &workloads), ask(&mut state, "b", &workloads)), (None, None));
        assert_eq!(ask(&mut state, "c", &workloads), Some(AwaitedTurn::Budget));
        workloads.insert(name("a"), observed("new", Origin::Operator, false));
        assert!(state.take_waiting(&workloads, BUDGET).is_empty());
        workloads.insert(name("a"), observed("new", Origin::Operator, true));
        assert_eq!(state.take_waiting(&workloads, BUDGET), [name("c").key(Kind::Agent)]);
        assert_eq!(ask(&mut state, "c", &workloads), None);
    }

    #[test]
    fn a_workload_that_has_a_turn_keeps_it_when_its_write_is_repeated() {
        let (mut state, workloads) = (with_relay_done(), old(&["a", "b"]));
        for _ in 0..5 {
            assert_eq!(ask(&mut state, "a", &workloads), None);
        }
        assert_eq!(state.rolling(&workloads), 1);
    }

    #[test]
    fn after_a_failover_the_restarting_workloads_still_count() {
        let (mut state, mut workloads) = (with_relay_done(), old(&["a", "b", "c"]));
        for restarting in ["a", "b"] {
            workloads.insert(name(restarting), observed("new", Origin::Operator, false));
        }
        assert_eq!(ask(&mut state, "c", &workloads), Some(AwaitedTurn::Budget));
    }

    #[test]
    fn a_deleted_workload_gives_its_turn_back() {
        let (mut state, mut workloads) = (with_relay_done(), old(&["a", "b", "c"]));
        assert_eq!((ask(&mut state, "a", &workloads), ask(&mut state, "b", &workloads)), (None, None));
        workloads.remove(&name("a"));
        assert_eq!(ask(&mut state, "c", &workloads), None);
    }
}
