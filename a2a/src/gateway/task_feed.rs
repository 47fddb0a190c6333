//! Wakes who waits for a change of a task. What has changed is read from the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

type Waiters = Arc<Mutex<HashMap<i64, Vec<Arc<Notify>>>>>;

#[derive(Debug, Clone, Default)]
pub(super) struct TaskFeed(Waiters);

/// Waits for changes of one task. As many exist as there are waits.
#[derive(Debug)]
pub(super) struct Subscription {
    feed: TaskFeed,
    task: i64,
    changed: Arc<Notify>,
}

impl TaskFeed {
    /// Changes from now on are noticed. Whoever subscribes reads the store afterwards.
    pub(super) fn subscribe(&self, task: i64) -> Subscription {
        let changed = Arc::new(Notify::new());
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.entry(task).or_default().push(Arc::clone(&changed));
        Subscription { feed: self.clone(), task, changed }
    }

    pub(super) fn publish(&self, task: i64) {
        let waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for waiter in waiters.get(&task).into_iter().flatten() {
            waiter.notify_one();
        }
    }
}

impl Subscription {
    /// Returns after a change since the last call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut waiters = self.feed.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_task) = waiters.get_mut(&self.task) {
            of_task.retain(|waiter| !Arc::ptr_eq(waiter, &self.changed));
            if of_task.is_empty() {
                waiters.remove(&self.task);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_change_before_the_wait_is_not_missed_and_nothing_is_left_behind() {
        let feed = TaskFeed::default();
        let (first, other) = (feed.subscribe(1), feed.subscribe(2));
        feed.publish(1);
        first.changed().await;
        assert!(first.changed().now_or_never().is_none());
        assert!(other.changed().now_or_never().is_none());
        drop((first, other));
        assert!(feed.0.lock().unwrap().is_empty());
    }
}
