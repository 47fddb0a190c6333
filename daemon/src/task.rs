//! Supervised tasks with a name and an owner. When a vital task ends before shutdown, or any task
//! panics, the process ends: half a process that still answers probes is worse than a restart.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::shutdown::Shutdown;

/// The tasks of one process. Cheap to clone; clones share the tasks.
///
/// ```
/// # use msg2agent_daemon::{Shutdown, Tasks};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let tasks = Tasks::new(Shutdown::new());
/// tasks.spawn_vital("sweeper", async { /* returns too early */ });
/// assert_eq!(tasks.failed().await.to_string(), "the task sweeper ended before shutdown");
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Tasks {
    shutdown: Shutdown,
    tracker: TaskTracker,
    failure: watch::Sender<Option<TaskFailed>>,
}

/// How a task failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TaskFailed {
    #[error("the task {name} ended before shutdown")]
    Ended { name: &'static str },
    #[error("the task {name} panicked")]
    Panicked { name: &'static str },
}

impl Tasks {
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, tracker: TaskTracker::new(), failure: watch::Sender::new(None) }
    }

    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Spawns work that ends at some time. A panic in it is a failure of the process.
    pub fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.start(name, false, work);
    }

    /// Spawns work that runs until shutdown. If it ends earlier or panics, the process fails.
    pub fn spawn_vital(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.start(name, true, work);
    }

    fn start(&self, name: &'static str, vital: bool, work: impl Future<Output = ()> + Send + 'static) {
        let watch = Watch { name, vital, shutdown: self.shutdown.clone(), failure: self.failure.clone() };
        self.tracker.spawn(async move {
            let _watch = watch;
            work.await;
        });
    }

    /// Returns when a task fails. The caller returns the failure as its error, which ends the
    /// process.
    pub async fn failed(&self) -> TaskFailed {
        let mut failure = self.failure.subscribe();
        loop {
            if let Some(failed) = *failure.borrow_and_update() {
                return failed;
            }
            // The sender lives in `self`, so this cannot fail while we are borrowed.
            if failure.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits at most `grace` for all tasks to end, after shutdown began. Returns `false` if some
    /// still run.
    pub async fn finished(&self, grace: Duration) -> bool {
        self.tracker.close();
        crate::shutdown::within(grace, "tasks", self.tracker.wait()).await.is_some()
    }
}

/// Lives inside the task. It is dropped when the task ends, by return and by panic alike.
struct Watch {
    name: &'static str,
    vital: bool,
    shutdown: Shutdown,
    failure: watch::Sender<Option<TaskFailed>>,
}

impl Watch {
    fn outcome(&self, panicked: bool) -> Option<TaskFailed> {
        if panicked {
            return Some(TaskFailed::Panicked { name: self.name });
        }
        (self.vital && !self.shutdown.has_begun()).then_some(TaskFailed::Ended { name: self.name })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(failed) = self.outcome(std::thread::panicking()) else { return };
        // The first failure is kept: later ones usually follow from it.
        self.failure.send_if_modified(|first| first.is_none() && first.replace(failed).is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_vital_task_that_ends_is_a_failure() {
        let tasks = Tasks::new(Shutdown::new());
        tasks.spawn("errand", async {});
        tasks.spawn_vital("sweep", async {});
        assert_eq!(tasks.failed().await, TaskFailed::Ended { name: "sweep" });
    }

    #[tokio::test]
    async fn a_panic_in_any_task_is_a_failure() {
        let tasks = Tasks::new(Shutdown::new());
        tasks.spawn("errand", async { panic!("on purpose") });
        assert_eq!(tasks.failed().await, TaskFailed::Panicked { name: "errand" });
    }

    #[tokio::test(start_paused = true)]
    async fn after_shutdown_tasks_may_end() {
        let shutdown = Shutdown::new();
        let tasks = Tasks::new(shutdown.clone());
        let begun = shutdown.clone();
        tasks.spawn_vital("sweep", async move { begun.begun().await });
        shutdown.begin();
        assert!(tasks.finished(Duration::from_secs(1)).await);
        let failed = tokio::time::timeout(Duration::from_secs(1), tasks.failed()).await;
        assert!(failed.is_err(), "{failed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_never_ends_is_left_at_the_deadline() {
        let tasks = Tasks::new(Shutdown::new());
        tasks.spawn("stuck", std::future::pending());
        assert!(!tasks.finished(Duration::from_secs(1)).await);
    }
}
