//! The work queue of the reconcilers: deduplicated, debounced, with two priorities and delayed
//! entries.
//!
//! An object is queued once and reconciled by one worker at a time. An event during its reconcile
//! queues it once more. Revocations, suspensions and deletions have priority. The queue is bounded
//! by the number of objects in the cluster, because a queued key is not added again.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::object_key::ObjectKey;

/// Delay before a key of normal priority is reconciled. Several events of one `kubectl apply` then
/// cost one reconcile.
pub const DEBOUNCE_INTERVAL: Duration = Duration::from_millis(20);

/// Urgent keys are reconciled before normal ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Normal,
    /// The change takes access away.
    Urgent,
}

/// The queue without locks and timers. The time is an argument.
#[derive(Debug, Default)]
struct State {
    urgent: VecDeque<ObjectKey>,
    normal: VecDeque<ObjectKey>,
    /// Queued keys with their priority. A key that became urgent is in both queues; its entry in
    /// `normal` is stale and skipped.
    queued: HashMap<ObjectKey, Priority>,
    running: HashSet<ObjectKey>,
    /// Keys that were added while a worker reconciled them.
    requeued: HashMap<ObjectKey, Priority>,
    /// Delayed keys by the time at which they are due.
    delayed: BTreeSet<(Instant, ObjectKey)>,
    due: HashMap<ObjectKey, Instant>,
}

impl State {
    fn add(&mut self, key: ObjectKey, priority: Priority) {
        self.cancel_delay(&key);
        if self.running.contains(&key) {
            let requeued = self.requeued.entry(key).or_insert(priority);
            *requeued = (*requeued).max(priority);
            return;
        }
        match self.queued.get(&key) {
            Some(found) if *found >= priority => {}
            _ => {
                self.queued.insert(key.clone(), priority);
                match priority {
                    Priority::Urgent => self.urgent.push_back(key),
                    Priority::Normal => self.normal.push_back(key),
                }
            }
        }
    }

    fn add_debounced(&mut self, key: ObjectKey, now: Instant) {
        if self.running.contains(&key) {
            self.add(key, Priority::Normal);
        } else {
            self.add_at(key, now + DEBOUNCE_INTERVAL);
        }
    }

    /// Adds `key` at the time `at`, unless it is queued or due earlier.
    fn add_at(&mut self, key: ObjectKey, at: Instant) {
        if self.queued.contains_key(&key) || self.due.get(&key).is_some_and(|due| *due <= at) {
            return;
        }
        self.cancel_delay(&key);
        self.due.insert(key.clone(), at);
        self.delayed.insert((at, key));
    }

    fn cancel_delay(&mut self, key: &ObjectKey) {
        if let Some(at) = self.due.remove(key) {
            self.delayed.remove(&(at, key.clone()));
        }
    }

    fn release_due(&mut self, now: Instant) {
        while self.delayed.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.delayed.pop_first() else { return };
            self.due.remove(&key);
            self.add(key, Priority::Normal);
        }
    }

    fn start_next(&mut self, now: Instant) -> Option<ObjectKey> {
        self.release_due(now);
        let key = self.pop(Priority::Urgent).or_else(|| self.pop(Priority::Normal))?;
        self.queued.remove(&key);
        self.running.insert(key.clone());
        Some(key)
    }

    fn pop(&mut self, priority: Priority) -> Option<ObjectKey> {
        loop {
            let key = match priority {
                Priority::Urgent => self.urgent.pop_front(),
                Priority::Normal => self.normal.pop_front(),
            }?;
            if self.queued.get(&key) == Some(&priority) {
                return Some(key);
            }
        }
    }

    fn finish(&mut self, key: ObjectKey, next: Option<Instant>) {
        self.running.remove(&key);
        if let Some(priority) = self.requeued.remove(&key) {
            self.add(key, priority);
        } else if let Some(at) = next {
            self.add_at(key, at);
        }
    }
}

/// The work queue. Watches add keys and workers take them.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

impl Queue {
    /// Adds a key. Keys of normal priority are debounced.
    pub fn add(&self, key: ObjectKey, priority: Priority) {
        match priority {
            Priority::Urgent => self.with(|state| state.add(key, priority)),
            Priority::Normal => self.with(|state| state.add_debounced(key, Instant::now())),
        }
        self.changed.notify_one();
    }

    /// Adds a key after a delay, unless it is queued or due earlier.
    pub fn add_after(&self, key: ObjectKey, delay: Duration) {
        self.with(|state| state.add_at(key, Instant::now() + delay));
        self.changed.notify_one();
    }

    /// Waits for the next key. The caller returns it with [`Queue::finish`]. Cancel safe.
    pub async fn next(&self) -> ObjectKey {
        loop {
            let (next, has_more, due) = self.with(|state| {
                let next = state.start_next(Instant::now());
                (next, !state.queued.is_empty(), state.delayed.first().map(|(at, _)| *at))
            });
            if let Some(key) = next {
                // Another worker must take the next key, or wait until one is due.
                if has_more || due.is_some() {
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

    /// Returns a key. It is queued again after `delay`, or by an event.
    pub fn finish(&self, key: ObjectKey, delay: Option<Duration>) {
        self.with(|state| state.finish(key, delay.map(|delay| Instant::now() + delay)));
        self.changed.notify_one();
    }

    /// The number of queued keys, for the metric.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.with(|state| state.queued.len())
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object_key::{Kind, NamespacedName};

    fn key(name: &str) -> ObjectKey {
        NamespacedName::new("team", name).key(Kind::Agent)
    }

    #[test]
    fn a_revocation_overtakes_queued_objects() {
        let (mut state, now) = (State::default(), Instant::now());
        for name in ["a", "b", "c"] {
            state.add(key(name), Priority::Normal);
        }
        state.add(key("c"), Priority::Urgent);
        let order: Vec<_> = std::iter::from_fn(|| state.start_next(now)).collect();
        assert_eq!(order, [key("c"), key("a"), key("b")]);
    }

    #[test]
    fn an_object_is_reconciled_once_at_a_time_and_not_forgotten() {
        let (mut state, now) = (State::default(), Instant::now());
        state.add(key("a"), Priority::Normal);
        assert_eq!(state.start_next(now), Some(key("a")));
        state.add(key("a"), Priority::Normal);
        state.add(key("a"), Priority::Urgent);
        assert_eq!(state.start_next(now), None);
        state.finish(key("a"), None);
        assert_eq!(state.start_next(now), Some(key("a")));
        state.finish(key("a"), None);
        assert_eq!(state.start_next(now), None);
    }

    #[test]
    fn an_earlier_delay_replaces_a_later_one() {
        let (mut state, now) = (State::default(), Instant::now());
        state.add_at(key("a"), now + Duration::from_secs(60));
        state.add_at(key("a"), now + Duration::from_secs(1));
        state.add_at(key("a"), now + Duration::from_secs(90));
        assert_eq!(state.start_next(now), None);
        assert_eq!(state.start_next(now + Duration::from_secs(1)), Some(key("a")));
        state.finish(key("a"), None);
        assert_eq!(state.start_next(now + Duration::from_secs(100)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_wakes_a_waiting_worker() {
        let queue = Queue::default();
        queue.add_after(key("a"), Duration::from_secs(5));
        assert_eq!(queue.next().await, key("a"));
    }
}
