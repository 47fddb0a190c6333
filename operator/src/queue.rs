//! The work queue of the reconcilers: deduplicated, debounced, with lanes and delayed entries.
//!
//! An object is queued once and reconciled by one worker at a time. An event during its reconcile
//! queues it once more. Revocations, suspensions and deletions have a lane of their own, which an
//! object keeps while it waits for a retry. The queue is bounded by the number of objects in the
//! cluster, because a queued key is not added again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::object_key::ObjectKey;

mod queue_state;

use queue_state::QueueState;
pub use queue_state::{Priority, QueuedKey, WorkerKind};

/// Delay before a key of normal priority is reconciled. Several events of one `kubectl apply` then
/// cost one reconcile.
pub const DEBOUNCE_INTERVAL: Duration = Duration::from_millis(20);

/// When a reconciled object is queued again without an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextPass {
    OnEvent,
    /// Something is due after this time. The object is then queued with normal priority.
    After(Duration),
    /// The pass is not done. The object keeps its priority.
    Retry(Duration),
}

/// The work queue. Watches add keys and workers take them.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<QueueState>,
    /// Wakes a worker that takes every key.
    changed: Notify,
    /// Wakes a worker that is reserved for urgent keys.
    urgent: Notify,
}

impl Queue {
    /// Adds a key. Keys of normal priority are debounced.
    pub fn add(&self, key: ObjectKey, priority: Priority) {
        let now = Instant::now();
        self.change(|state| match priority {
            Priority::Normal => state.add_debounced(key, priority, now),
            Priority::Urgent | Priority::First => state.add(key, priority, now),
        });
    }

    /// Adds a key after a delay, unless it is queued or due earlier.
    pub fn add_after(&self, key: ObjectKey, delay: Duration) {
        let now = Instant::now();
        self.change(|state| state.add_at(key, now + delay, Priority::Normal, now));
    }

    /// Makes every delayed key due so much earlier, because the wall clock was set forward.
    pub fn bring_forward(&self, by: Duration) {
        self.change(|state| state.bring_forward(by, Instant::now()));
    }

    /// Waits for the next key. The caller returns it with [`Queue::finish`]. Cancel safe.
    pub async fn next(&self, worker: WorkerKind) -> QueuedKey {
        let changed = match worker {
            WorkerKind::General => &self.changed,
            WorkerKind::Reserved => &self.urgent,
        };
        loop {
            let (next, due) = self.with(|state| (state.start_next(worker, Instant::now()), state.next_due()));
            if let Some(next) = next {
                // Another worker must take the next key, or wait until one is due.
                changed.notify_one();
                return next;
            }
            match due {
                Some(at) => {
                    tokio::select! {
                        biased;
                        () = changed.notified() => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
                None => changed.notified().await,
            }
        }
    }

    /// Returns a key, which is queued again when `next` says so, or by an event.
    pub fn finish(&self, key: ObjectKey, next: NextPass) {
        let now = Instant::now();
        self.change(|state| state.finish(key, next, now));
    }

    /// Drops everything that waits. A key that a worker has is kept.
    pub fn clear(&self) {
        self.with(QueueState::clear);
    }

    /// The number of queued keys, for the metric.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.with(|state| state.queued())
    }

    /// How long the key that waits longest has been waiting, for the metric.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.with(|state| state.age(Instant::now()))
    }

    /// Whether the key waits for a worker or a timer.
    #[must_use]
    pub fn contains(&self, key: &ObjectKey) -> bool {
        self.with(|state| state.priority(key).is_some())
    }

    fn change(&self, work: impl FnOnce(&mut QueueState)) {
        self.with(work);
        self.changed.notify_one();
        self.urgent.notify_one();
    }

    fn with<T>(&self, work: impl FnOnce(&mut QueueState) -> T) -> T {
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

    #[tokio::test(start_paused = true)]
    async fn a_timer_wakes_a_waiting_worker() {
        let queue = Queue::default();
        queue.add_after(key("a"), Duration::from_secs(5));
        assert_eq!(queue.next(WorkerKind::General).await.key, key("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reserved_worker_takes_urgent_keys_only() {
        let queue = Queue::default();
        for name in ["a", "b"] {
            queue.add(key(name), Priority::Normal);
        }
        let reserved = queue.next(WorkerKind::Reserved);
        assert!(tokio::time::timeout(Duration::from_secs(1), reserved).await.is_err());
        queue.add(key("b"), Priority::Urgent);
        assert_eq!(queue.next(WorkerKind::Reserved).await.key, key("b"));
    }

    #[tokio::test(start_paused = true)]
    async fn many_keys_at_once_wake_all_workers() {
        let queue = std::sync::Arc::new(Queue::default());
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let queue = std::sync::Arc::clone(&queue);
                tokio::spawn(async move { queue.next(WorkerKind::General).await.key })
            })
            .collect();
        tokio::task::yield_now().await;
        for name in ["a", "b", "c", "d"] {
            queue.add(key(name), Priority::Normal);
        }
        let mut taken = Vec::new();
        for worker in workers {
            taken.push(worker.await.unwrap());
        }
        taken.sort();
        assert_eq!(taken, ["a", "b", "c", "d"].map(key));
    }
}
