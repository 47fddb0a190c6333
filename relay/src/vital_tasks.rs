//! Spawns the tasks that the relay cannot run without. The process ends when one of them panics or
//! ends before shutdown.

use std::fmt;
use std::sync::Arc;

use daemon::Tasks;
use futures::FutureExt as _;
use futures::future::BoxFuture;

/// Changes a task before it is spawned under its name.
#[derive(Clone)]
pub struct TaskWrapper(
    Arc<dyn Fn(&'static str, BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync>,
);

impl TaskWrapper {
    pub fn new(
        wrap: impl Fn(&'static str, BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(wrap))
    }
}

impl fmt::Debug for TaskWrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskWrapper").finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
pub struct VitalTasks {
    tasks: Tasks,
    /// Set by tests only, which make a task panic with it.
    wrapper: Option<TaskWrapper>,
}

impl VitalTasks {
    #[must_use]
    pub fn new(tasks: Tasks, wrapper: Option<TaskWrapper>) -> Self {
        Self { tasks, wrapper }
    }

    pub(crate) fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        match &self.wrapper {
            Some(TaskWrapper(wrap)) => self.tasks.spawn_vital(name, wrap(name, work.boxed())),
            None => self.tasks.spawn_vital(name, work),
        }
    }
}
