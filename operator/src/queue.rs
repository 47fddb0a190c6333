//! What to reconcile next. An object waits in one place at a time and is worked on by one worker at a time; what happens
//! to it meanwhile makes it wait once more. Revocations, suspensions and deletions go first.
//!
//! Bounded by the number of objects in the cluster: a key that waits already is not added again.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::key::Key;

/// How long a key that is not urgent waits for more events of the same apply before it is worked on.
pub const DEBOUNCE: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    Normal,
    /// Something loses access.
    Urgent,
}

/// The pure part: time comes in.
#[derive(Debug, Default)]
struct State {
    urgent: VecDeque<Key>,
    normal: VecDeque<Key>,
    /// Keys in a lane. A key in `normal` that became urgent stands in both; the stale place is skipped.
    waiting: HashMap<Key, Lane>,
    running: HashSet<Key>,
    /// Keys that were asked for while a worker had them.
    again: HashMap<Key, Lane>,
    later: BTreeSet<(Instant, Key)>,
    due: HashMap<Key, Instant>,
}

impl State {
    fn add(&mut self, key: Key, lane: Lane) {
        self.forget_timer(&key);
        if self.running.contains(&key) {
            let asked = self.again.entry(key).or_insert(lane);
            *asked = (*asked).max(lane);
            return;
        }
        match self.waiting.get(&key) {
            Some(found) if *found >= lane => {}
            _ => {
                self.waiting.insert(key.clone(), lane);
                match lane {
                    Lane::Urgent => self.urgent.push_back(key),
                    Lane::Normal => self.normal.push_back(key),
                }
            }
        }
    }

    /// Adds `key` at `at`, unless it waits already or is due earlier.
    fn add_at(&mut self, key: Key, at: Instant) {
        if self.waiting.contains_key(&key) || self.due.get(&key).is_some_and(|due| *due <= at) {
            return;
        }
        self.forget_timer(&key);
        self.due.insert(key.clone(), at);
        self.later.insert((at, key));
    }

    fn forget_timer(&mut self, key: &Key) {
        if let Some(at) = self.due.remove(key) {
            self.later.remove(&(at, key.clone()));
        }
    }

    fn release_due(&mut self, now: Instant) {
        while self.later.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.later.pop_first() else { return };
            self.due.remove(&key);
            self.add(key, Lane::Normal);
        }
    }

    fn take(&mut self, now: Instant) -> Option<Key> {
        self.release_due(now);
        let key = self.pop(Lane::Urgent).or_else(|| self.pop(Lane::Normal))?;
        self.waiting.remove(&key);
        self.running.insert(key.clone());
        Some(key)
    }

    fn pop(&mut self, lane: Lane) -> Option<Key> {
        loop {
            let key = match lane {
                Lane::Urgent => self.urgent.pop_front(),
                Lane::Normal => self.normal.pop_front(),
            }?;
            if self.waiting.get(&key) == Some(&lane) {
                return Some(key);
            }
        }
    }

    fn finish(&mut self, key: Key, next: Option<Instant>) {
        self.running.remove(&key);
        if let Some(lane) = self.again.remove(&key) {
            self.add(key, lane);
        } else if let Some(at) = next {
            self.add_at(key, at);
        }
    }
}

/// Shared by the watches, which add, and the workers, which take.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

impl Queue {
    pub fn add(&self, key: Key, lane: Lane) {
        match lane {
            Lane::Urgent => self.with(|state| state.add(key, lane)),
            Lane::Normal => self.with(|state| state.add_debounced(key, Instant::now())),
        }
        self.changed.notify_one();
    }

    pub fn add_after(&self, key: Key, wait: Duration) {
        self.with(|state| state.add_at(key, Instant::now() + wait));
        self.changed.notify_one();
    }

    /// The next key; waits for one. Every key taken is given back by [`Queue::finish`].
    pub async fn next(&self) -> Key {
        loop {
            let (taken, more, due) = self.with(|state| {
                let taken = state.take(Instant::now());
                (taken, !state.waiting.is_empty(), state.later.first().map(|(at, _)| *at))
            });
            if let Some(key) = taken {
                // Somebody else must take, or wait for, what is left.
                if more || due.is_some() {
                    self.changed.notify_one();
                }
                return key;
            }
            match due {
                Some(at) => {
                    tokio::select! { () = self.changed.notified() => {}, () = tokio::time::sleep_until(at) => {} }
                }
                None => self.changed.notified().await,
            }
        }
    }

    /// Gives a key back; it comes again after `wait`, or when something happens to it.
    pub fn finish(&self, key: Key, wait: Option<Duration>) {
        self.with(|state| state.finish(key, wait.map(|wait| Instant::now() + wait)));
        self.changed.notify_one();
    }

    /// Keys that wait now, for the metric.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.with(|state| state.waiting.len())
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn add_debounced(&mut self, key: Key, now: Instant) {
        if self.running.contains(&key) {
            self.add(key, Lane::Normal);
        } else {
            self.add_at(key, now + DEBOUNCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Kind, Name};

    fn key(name: &str) -> Key {
        Name::new("team", name).key(Kind::Agent)
    }

    #[test]
    fn a_revocation_overtakes_what_waits() {
        let (mut state, now) = (State::default(), Instant::now());
        for name in ["a", "b", "c"] {
            state.add(key(name), Lane::Normal);
        }
        state.add(key("c"), Lane::Urgent);
        let order: Vec<_> = std::iter::from_fn(|| state.take(now)).collect();
        assert_eq!(order, [key("c"), key("a"), key("b")]);
    }

    #[test]
    fn an_object_is_worked_on_once_at_a_time_and_not_forgotten() {
        let (mut state, now) = (State::default(), Instant::now());
        state.add(key("a"), Lane::Normal);
        assert_eq!(state.take(now), Some(key("a")));
        state.add(key("a"), Lane::Normal);
        state.add(key("a"), Lane::Urgent);
        assert_eq!(state.take(now), None);
        state.finish(key("a"), None);
        assert_eq!(state.take(now), Some(key("a")));
        state.finish(key("a"), None);
        assert_eq!(state.take(now), None);
    }

    #[test]
    fn an_earlier_wish_replaces_a_later_one() {
        let (mut state, now) = (State::default(), Instant::now());
        state.add_at(key("a"), now + Duration::from_secs(60));
        state.add_at(key("a"), now + Duration::from_secs(1));
        state.add_at(key("a"), now + Duration::from_secs(90));
        assert_eq!(state.take(now), None);
        assert_eq!(state.take(now + Duration::from_secs(1)), Some(key("a")));
        state.finish(key("a"), None);
        assert_eq!(state.take(now + Duration::from_secs(100)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_wakes_a_waiting_worker() {
        let queue = Queue::default();
        queue.add_after(key("a"), Duration::from_secs(5));
        assert_eq!(queue.next().await, key("a"));
    }
}
