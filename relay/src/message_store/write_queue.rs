//! The queue of writes that wait for the next commit, shared by the core and the writer.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::commit_scheduler::{CommitFailure, CommitScheduler, NextCommit, RETRY_INTERVAL};
use super::report::StoreReport;
use crate::core::Write;
use crate::poison::exit_if_poisoned;

/// How long a write may wait for its commit. A commit takes milliseconds, and a disk that takes
/// longer than this hangs.
pub(crate) const STALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Bounded by the core, which refuses sends above `core::limits::WRITES_PENDING_MAX`. The writes of
/// sessions that end are bounded by their delivery windows.
#[derive(Debug)]
pub(crate) struct WriteQueue {
    scheduler: Mutex<CommitScheduler>,
    changed: Notify,
    /// The zero of the queue's clock.
    started: Instant,
}

/// Whether the store takes writes, for readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreCondition {
    Working,
    /// The disk is full: removals are committed, messages are refused.
    Full,
    Failing,
    /// A commit takes longer than [`STALL_TIMEOUT`].
    Stalled,
}

impl StoreCondition {
    pub(crate) const ALL: [Self; 4] = [Self::Working, Self::Full, Self::Failing, Self::Stalled];

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Full => "full",
            Self::Failing => "failing",
            Self::Stalled => "stalled",
        }
    }
}

impl Default for WriteQueue {
    fn default() -> Self {
        Self { scheduler: Mutex::default(), changed: Notify::new(), started: Instant::now() }
    }
}

impl WriteQueue {
    pub(crate) fn push(&self, write: Write) {
        self.scheduler().push(write, self.now_ms());
        self.changed.notify_one();
    }

    /// Lets the writer end once it has committed everything in the queue.
    pub(crate) fn close(&self) {
        self.scheduler().close();
        self.changed.notify_one();
    }

    pub(crate) fn condition(&self) -> StoreCondition {
        let scheduler = self.scheduler();
        if scheduler.is_failing() {
            StoreCondition::Failing
        } else if Duration::from_millis(scheduler.oldest_ms(self.now_ms())) > STALL_TIMEOUT {
            StoreCondition::Stalled
        } else if scheduler.is_full() {
            StoreCondition::Full
        } else {
            StoreCondition::Working
        }
    }

    pub(super) fn next(&self) -> NextCommit {
        self.scheduler().next(self.now_ms())
    }

    pub(super) fn finished(&self, result: Result<Duration, CommitFailure>) -> Vec<StoreReport> {
        self.scheduler().finished(result, self.now_ms())
    }

    pub(super) fn has_messages(&self) -> bool {
        self.scheduler().has_messages()
    }

    pub(super) fn disk_is_full(&self) {
        self.scheduler().disk_is_full(self.now_ms());
    }

    pub(super) fn looked_for_space(&self, found: bool) -> Option<StoreReport> {
        self.scheduler().looked_for_space(found, self.now_ms())
    }

    /// Waits until something is pushed, or until this time of the queue's clock.
    pub(super) async fn wait(&self, until_ms: Option<u64>) {
        let Some(until_ms) = until_ms else { return self.changed.notified().await };
        let left = Duration::from_millis(until_ms.saturating_sub(self.now_ms()));
        // Either way the caller asks what to do next.
        let _ = tokio::time::timeout(left, self.changed.notified()).await;
    }

    /// Waits until this time of the queue's clock, whatever is pushed.
    pub(super) async fn pause(&self, until_ms: u64) {
        tokio::time::sleep(Duration::from_millis(until_ms.saturating_sub(self.now_ms()))).await;
    }

    pub(super) fn is_due(&self, at_ms: u64) -> bool {
        self.now_ms() >= at_ms
    }

    /// The time of the next attempt, on the queue's clock.
    pub(super) fn later_ms(&self) -> u64 {
        self.now_ms() + u64::try_from(RETRY_INTERVAL.as_millis()).unwrap_or(u64::MAX)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn scheduler(&self) -> MutexGuard<'_, CommitScheduler> {
        exit_if_poisoned(self.scheduler.lock(), "the queue of mailbox writes")
    }
}
