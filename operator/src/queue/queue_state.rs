//! The queue without locks and timers. Pure; the time is an argument.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::{DEBOUNCE_INTERVAL, NextPass};
use crate::object_key::ObjectKey;

/// The lane of a key. Keys of a greater priority are reconciled first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    Normal,
    /// The change takes access away.
    Urgent,
    /// Relays after the start. All other objects need what their reconcile finds out.
    First,
}

impl Priority {
    /// The label of the metric.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Urgent => "urgent",
            Self::First => "first",
        }
    }
}

/// Which keys a worker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkerKind {
    General,
    /// Urgent keys only, so that one finds a free worker however many others are slow.
    Reserved,
}

/// A key that a worker takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedKey {
    pub key: ObjectKey,
    pub priority: Priority,
    /// How long it waited for a worker.
    pub waited: Duration,
}

/// Keys that wait, keys that workers have, and timers.
#[derive(Debug, Default)]
pub(super) struct QueueState {
    first: VecDeque<ObjectKey>,
    urgent: VecDeque<ObjectKey>,
    normal: VecDeque<ObjectKey>,
    /// Queued keys with their priority, and since when they wait. A key whose priority rose is in
    /// two lanes; its entry in the lower one is stale and skipped.
    queued: HashMap<ObjectKey, (Priority, Instant)>,
    /// Keys that workers have, with the priority of this pass.
    running: HashMap<ObjectKey, Priority>,
    /// Keys that were added while a worker reconciled them.
    requeued: HashMap<ObjectKey, Priority>,
    /// Delayed keys by the time at which they are due.
    delayed: BTreeSet<(Instant, ObjectKey)>,
    due: HashMap<ObjectKey, (Instant, Priority)>,
}

impl QueueState {
    /// Queues a key now. A key that was delayed keeps its priority if that is greater.
    pub(super) fn add(&mut self, key: ObjectKey, priority: Priority, now: Instant) {
        let priority = self.cancel_delay(&key).map_or(priority, |found| found.max(priority));
        if self.running.contains_key(&key) {
            let requeued = self.requeued.entry(key).or_insert(priority);
            *requeued = (*requeued).max(priority);
            return;
        }
        let waiting = self.queued.get(&key).copied();
        if waiting.is_some_and(|(found, _)| found >= priority) {
            return;
        }
        let since = waiting.map_or(now, |(_, since)| since);
        self.queued.insert(key.clone(), (priority, since));
        self.lane(priority).push_back(key);
    }

    /// Adds `key` after the debounce interval, or as soon as the worker that has it returns it.
    pub(super) fn add_debounced(&mut self, key: ObjectKey, priority: Priority, now: Instant) {
        if self.running.contains_key(&key) {
            self.add(key, priority, now);
        } else {
            self.add_at(key, now + DEBOUNCE_INTERVAL, priority, now);
        }
    }

    /// Adds `key` at the time `at`, unless it is queued or due earlier.
    pub(super) fn add_at(&mut self, key: ObjectKey, at: Instant, priority: Priority, now: Instant) {
        if self.queued.contains_key(&key) {
            return self.add(key, priority, now);
        }
        let (at, priority) = match self.due.get(&key) {
            Some((due, found)) => (at.min(*due), priority.max(*found)),
            None => (at, priority),
        };
        self.cancel_delay(&key);
        self.due.insert(key.clone(), (at, priority));
        self.delayed.insert((at, key));
    }

    /// Makes every delayed key due so much earlier.
    pub(super) fn bring_forward(&mut self, by: Duration, now: Instant) {
        let earlier = |at: Instant| at.checked_sub(by).unwrap_or(now);
        let delayed = std::mem::take(&mut self.delayed);
        self.delayed = delayed.into_iter().map(|(at, key)| (earlier(at), key)).collect();
        for (at, _) in self.due.values_mut() {
            *at = earlier(*at);
        }
    }

    fn cancel_delay(&mut self, key: &ObjectKey) -> Option<Priority> {
        let (at, priority) = self.due.remove(key)?;
        self.delayed.remove(&(at, key.clone()));
        Some(priority)
    }

    fn release_due(&mut self, now: Instant) {
        while self.delayed.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.delayed.pop_first() else { return };
            let priority = self.due.remove(&key).map_or(Priority::Normal, |(_, priority)| priority);
            self.add(key, priority, now);
        }
    }

    pub(super) fn start_next(&mut self, worker: WorkerKind, now: Instant) -> Option<QueuedKey> {
        self.release_due(now);
        let key = match worker {
            WorkerKind::General => self
                .pop(Priority::First)
                .or_else(|| self.pop(Priority::Urgent))
                .or_else(|| self.pop(Priority::Normal)),
            WorkerKind::Reserved => self.pop(Priority::Urgent),
        }?;
        let (priority, since) = self.queued.remove(&key)?;
        self.running.insert(key.clone(), priority);
        Some(QueuedKey { key, priority, waited: now.saturating_duration_since(since) })
    }

    fn pop(&mut self, priority: Priority) -> Option<ObjectKey> {
        loop {
            let key = self.lane(priority).pop_front()?;
            if self.queued.get(&key).is_some_and(|(found, _)| *found == priority) {
                return Some(key);
            }
        }
    }

    fn lane(&mut self, priority: Priority) -> &mut VecDeque<ObjectKey> {
        match priority {
            Priority::First => &mut self.first,
            Priority::Urgent => &mut self.urgent,
            Priority::Normal => &mut self.normal,
        }
    }

    pub(super) fn finish(&mut self, key: ObjectKey, next: NextPass, now: Instant) {
        let lane = self.running.remove(&key).unwrap_or(Priority::Normal);
        let requeued = self.requeued.remove(&key);
        match (requeued, next) {
            // The pass is not done, so that an event in between does not lower its priority.
            (Some(priority), NextPass::Retry(_)) => self.add(key, priority.max(lane), now),
            (Some(priority), NextPass::OnEvent | NextPass::After(_)) => self.add(key, priority, now),
            (None, NextPass::Retry(delay)) => self.add_at(key, now + delay, lane, now),
            (None, NextPass::After(delay)) => self.add_at(key, now + delay, Priority::Normal, now),
            (None, NextPass::OnEvent) => {}
        }
    }

    pub(super) fn clear(&mut self) {
        let running = std::mem::take(&mut self.running);
        *self = Self { running, ..Self::default() };
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.delayed.first().map(|(at, _)| *at)
    }

    pub(super) fn queued(&self) -> usize {
        self.queued.len()
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        let oldest = self.queued.values().map(|(_, since)| *since).min();
        oldest.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// The priority of a key that waits for a worker or a timer.
    pub(super) fn priority(&self, key: &ObjectKey) -> Option<Priority> {
        let queued = self.queued.get(key).map(|(priority, _)| *priority);
        let delayed = self.due.get(key).map(|(_, priority)| *priority);
        queued.max(self.requeued.get(key).copied()).max(delayed)
    }
}

#[cfg(test)]
mod tests;
