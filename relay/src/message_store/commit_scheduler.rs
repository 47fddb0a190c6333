//! Decides what the writer commits next, and what it reports about each commit. Pure: the writer
//! runs it over SQLite, and the simulator over a model of a faulty disk.
//!
//! A commit that failed may be on disk all the same. Its rows were reported failed, so the next
//! successful commit deletes them, and the messages that their notices have ended wait again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::report::StoreReport;
use super::row_outcomes::{RowOutcome, reports};
use crate::core::{RowId, Write, WriteContent, WriteRow};

/// Writes of one commit: about 5 ms of work, so that a single write does not wait long.
const BATCH_WRITES_MAX: usize = 1024;
/// Bytes after which a commit takes no further write, for the same reason.
const BATCH_BYTES: usize = 1 << 20;
/// Rows that leave their mailbox with one commit. Each changes the page of its body, which may hold
/// no other such row: more of them would take more than half of a small volume's log.
const BATCH_REMOVALS_MAX: usize = 256;
/// What such a row counts among the bytes of a commit.
const REMOVAL_BYTES: usize = BATCH_BYTES / BATCH_REMOVALS_MAX;
/// Between two attempts to write to a store that failed, and two looks at a full disk.
pub(crate) const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Attempts after the queue was closed. A relay that shuts down does not wait for a disk any
/// longer.
const CLOSING_ATTEMPTS_MAX: u32 = 5;

/// One transaction.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    /// In the order in which they were pushed. An empty batch tests whether commits work.
    pub(crate) writes: Vec<Write>,
    /// Rows that were reported failed. They are deleted if they are on disk after all.
    pub(crate) discarded: Vec<RowId>,
    /// Messages that discarded notices may have ended. They wait again, without their bodies, so
    /// that a crash before the next notice does not lose them without a word.
    pub(crate) revived: Vec<RowId>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextCommit {
    Commit(Arc<Batch>),
    /// Nothing is committed before this time.
    WaitUntil(u64),
    /// The disk is full. At this time, call [`CommitScheduler::space_returned`] if it has space.
    LookForSpaceAt(u64),
    Idle,
    /// The queue is closed, and everything is committed or given up.
    Finished,
}

/// Why a commit failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitFailure {
    /// The disk or the file is full. Removals may still work.
    Full,
    Other,
}

/// Whether the store takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Working,
    /// Messages are refused; removals and notices are committed.
    Full {
        look_at_ms: u64,
        reported: bool,
    },
    Failed {
        retry_at_ms: u64,
    },
}

/// The queue of writes, and the state of the store as the last commits showed it.
#[derive(Debug)]
pub(crate) struct CommitScheduler {
    /// Each with the time at which it was pushed.
    queued: VecDeque<(u64, Write)>,
    under_way: Option<UnderWay>,
    condition: Condition,
    /// Rows that failed and are not reported yet, because earlier ones are not decided.
    refused: Vec<RowId>,
    /// When the oldest of them was pushed. Its sender waits until that is reported.
    refused_since_ms: Option<u64>,
    discarded: Vec<RowId>,
    revived: Vec<RowId>,
    /// Writes of the next commit. Each commit that finds the disk full halves them, because a small
    /// commit of removals fits where a large one does not.
    writes_max: usize,
    closed: bool,
    closing_attempts: u32,
}

#[derive(Debug)]
struct UnderWay {
    batch: Arc<Batch>,
    oldest_ms: u64,
}

impl Default for CommitScheduler {
    fn default() -> Self {
        Self {
            queued: VecDeque::new(),
            under_way: None,
            condition: Condition::Working,
            refused: Vec::new(),
            refused_since_ms: None,
            discarded: Vec::new(),
            revived: Vec::new(),
            writes_max: BATCH_WRITES_MAX,
            closed: false,
            closing_attempts: 0,
        }
    }
}

impl CommitScheduler {
    pub(crate) fn push(&mut self, write: Write, now_ms: u64) {
        self.queued.push_back((now_ms, write));
    }

    /// Nothing is pushed any more.
    pub(crate) const fn close(&mut self) {
        self.closed = true;
    }

    /// What to do now. A commit has to be answered with [`Self::finished`] before the next call.
    pub(crate) fn next(&mut self, now_ms: u64) -> NextCommit {
        match self.condition {
            Condition::Working if self.queued.is_empty() => self.when_empty(NextCommit::Idle),
            Condition::Working => self.begin(now_ms),
            Condition::Full { look_at_ms, reported } => {
                self.refuse_messages();
                // Rows of an earlier failure may be on disk, and are deleted before the report.
                let undone = reported || self.discarded.is_empty();
                if self.queued.is_empty() && self.refused.is_empty() && undone {
                    return self.when_empty(NextCommit::LookForSpaceAt(look_at_ms));
                }
                self.begin(now_ms)
            }
            Condition::Failed { retry_at_ms } if now_ms < retry_at_ms => NextCommit::WaitUntil(retry_at_ms),
            Condition::Failed { .. } if self.closing_attempts >= CLOSING_ATTEMPTS_MAX => NextCommit::Finished,
            Condition::Failed { .. } => self.begin(now_ms),
        }
    }

    /// Takes the result of the commit that [`Self::next`] returned.
    pub(crate) fn finished(
        &mut self,
        result: Result<Duration, CommitFailure>,
        now_ms: u64,
    ) -> Vec<StoreReport> {
        let Some(UnderWay { batch, oldest_ms }) = self.under_way.take() else { return Vec::new() };
        match result {
            Ok(took) => self.on_success(&batch, took),
            Err(failure) => {
                let batch = Arc::try_unwrap(batch)
                    .unwrap_or_else(|shared| Batch { writes: shared.writes.clone(), ..Batch::default() });
                for write in batch.writes.into_iter().rev() {
                    self.queued.push_front((oldest_ms, write));
                }
                match failure {
                    CommitFailure::Full => self.on_full(now_ms),
                    CommitFailure::Other => self.on_failure(now_ms),
                }
            }
        }
    }

    /// The disk has too little space for messages. The next commit holds none.
    pub(crate) fn disk_is_full(&mut self, now_ms: u64) {
        if self.condition == Condition::Working {
            self.condition = Condition::Full { look_at_ms: later(now_ms), reported: false };
        }
    }

    /// The disk has space for messages again, or still has none.
    pub(crate) fn looked_for_space(&mut self, found: bool, now_ms: u64) -> Option<StoreReport> {
        let Condition::Full { look_at_ms, .. } = &mut self.condition else { return None };
        if !found {
            *look_at_ms = later(now_ms);
            return None;
        }
        self.condition = Condition::Working;
        self.writes_max = BATCH_WRITES_MAX;
        Some(StoreReport::Recovered)
    }

    /// Whether the disk was full when it was last written.
    pub(crate) const fn is_full(&self) -> bool {
        matches!(self.condition, Condition::Full { .. })
    }

    /// Whether the last commit failed for another reason than a full disk.
    pub(crate) const fn is_failing(&self) -> bool {
        matches!(self.condition, Condition::Failed { .. })
    }

    /// Whether the next commit may hold a message.
    pub(crate) fn has_messages(&self) -> bool {
        self.queued.iter().take(BATCH_WRITES_MAX).any(|(_, write)| is_message(write))
    }

    /// How long the oldest write has waited for its commit, or for the report that it is refused.
    pub(crate) fn oldest_ms(&self, now_ms: u64) -> u64 {
        let under_way = self.under_way.as_ref().map(|commit| commit.oldest_ms);
        let queued = self.queued.front().map(|(pushed_ms, _)| *pushed_ms);
        let since = under_way.or(queued).into_iter().chain(self.refused_since_ms).min();
        since.map_or(0, |since| now_ms.saturating_sub(since))
    }

    /// Whether something waits or is being committed.
    #[cfg(test)]
    pub(crate) fn has_writes(&self) -> bool {
        self.under_way.is_some() || !self.queued.is_empty()
    }

    fn when_empty(&self, otherwise: NextCommit) -> NextCommit {
        if self.closed { NextCommit::Finished } else { otherwise }
    }

    fn begin(&mut self, now_ms: u64) -> NextCommit {
        let (mut count, mut bytes) = (0, 0);
        for (_, write) in self.queued.iter().take(self.writes_max) {
            bytes += size(write);
            count += 1;
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        let oldest_ms = self.queued.front().map_or(now_ms, |(pushed_ms, _)| *pushed_ms);
        let writes = self.queued.drain(..count).map(|(_, write)| write).collect();
        let (discarded, revived) = (self.discarded.clone(), self.revived.clone());
        let batch = Arc::new(Batch { writes, discarded, revived });
        self.under_way = Some(UnderWay { batch: Arc::clone(&batch), oldest_ms });
        NextCommit::Commit(batch)
    }

    fn on_success(&mut self, batch: &Batch, took: Duration) -> Vec<StoreReport> {
        self.discarded.clear();
        self.revived.clear();
        let mut found = Vec::new();
        match self.condition {
            Condition::Working => self.writes_max = (self.writes_max * 2).min(BATCH_WRITES_MAX),
            Condition::Failed { .. } => {
                self.condition = Condition::Working;
                found.push(StoreReport::Recovered);
            }
            Condition::Full { .. } => {}
        }
        found.extend(removed(batch));
        let stored = batch.writes.iter().filter_map(insertion).map(|row| (row.row, RowOutcome::Stored));
        let refuses = !self.refused.is_empty();
        found.extend(self.decided(stored.collect(), took));
        if let Condition::Full { reported, .. } = &mut self.condition
            && (!std::mem::replace(reported, true) || refuses)
        {
            // A report of refused rows says that the store fails, and this one that it takes some.
            found.push(StoreReport::Full);
        }
        found
    }

    /// Keeps removals and notices, which are committed next, and refuses every message that waits.
    fn on_full(&mut self, now_ms: u64) -> Vec<StoreReport> {
        self.writes_max = (self.writes_max.min(BATCH_REMOVALS_MAX) / 2).max(1);
        if self.is_full() && !self.queued.iter().any(|(_, write)| is_message(write)) {
            // Not even removals fit.
            return self.on_failure(now_ms);
        }
        self.condition = Condition::Full { look_at_ms: later(now_ms), reported: false };
        self.refuse_messages();
        Vec::new()
    }

    fn refuse_messages(&mut self) {
        let (refused, since_ms) = (&mut self.refused, &mut self.refused_since_ms);
        self.queued.retain(|(pushed_ms, write)| {
            let Some(row) = insertion(write).filter(|_| is_message(write)) else { return true };
            refused.push(row.row);
            *since_ms = Some(since_ms.map_or(*pushed_ms, |oldest| oldest.min(*pushed_ms)));
            false
        });
    }

    /// Reports every row that waits as failed, so that no sender waits for the next attempt. What
    /// stays in the queue waits from now on.
    fn on_failure(&mut self, now_ms: u64) -> Vec<StoreReport> {
        self.condition = Condition::Failed { retry_at_ms: later(now_ms) };
        self.closing_attempts += u32::from(self.closed);
        let (refused, revived) = (&mut self.refused, &mut self.revived);
        self.queued.retain_mut(|(pushed_ms, write)| {
            let Some(row) = insertion(write) else {
                *pushed_ms = now_ms;
                return true;
            };
            refused.push(row.row);
            revived.extend(ended_by(row));
            false
        });
        if self.refused.is_empty() {
            // No row has the number 0. It reports the failure of a batch that held only removals.
            return vec![StoreReport::StoreFailed { upto: 0 }];
        }
        self.decided(Vec::new(), Duration::ZERO)
    }

    /// The reports about rows that are decided now, together with the refused ones.
    fn decided(&mut self, mut rows: Vec<(RowId, RowOutcome)>, took: Duration) -> Vec<StoreReport> {
        // A report covers every row up to its number, also notices that a later commit holds.
        let undecided = self.queued.iter().filter_map(|(_, write)| insertion(write)).map(|row| row.row).min();
        let (refused, later) = std::mem::take(&mut self.refused)
            .into_iter()
            .partition::<Vec<_>, _>(|row| undecided.is_none_or(|undecided| *row < undecided));
        self.refused = later;
        self.refused_since_ms = self.refused_since_ms.filter(|_| !self.refused.is_empty());
        self.discarded.extend(&refused);
        rows.extend(refused.into_iter().map(|row| (row, RowOutcome::Failed)));
        reports(rows, took)
    }
}

fn later(now_ms: u64) -> u64 {
    now_ms.saturating_add(u64::try_from(RETRY_INTERVAL.as_millis()).unwrap_or(u64::MAX))
}

pub(super) const fn insertion(write: &Write) -> Option<&WriteRow> {
    match write {
        Write::Insert(row) => Some(row),
        Write::Remove { .. } | Write::Forget { .. } => None,
    }
}

fn removed(batch: &Batch) -> Option<StoreReport> {
    let removal = |write: &Write| match write {
        Write::Remove { row, .. } => Some(*row),
        Write::Insert(_) | Write::Forget { .. } => None,
    };
    let rows: Vec<RowId> = batch.writes.iter().filter_map(removal).collect();
    // A batch that only forgets is reported as well: it ends a stall.
    let reported = batch.writes.iter().any(|write| !matches!(write, Write::Insert(_)));
    reported.then_some(StoreReport::Removed { rows })
}

/// The message that this notice ends.
const fn ended_by(row: &WriteRow) -> Option<RowId> {
    match row.content {
        WriteContent::Notice { ends, .. } => ends,
        WriteContent::Message(_) => None,
    }
}

const fn is_message(write: &Write) -> bool {
    matches!(write, Write::Insert(WriteRow { content: WriteContent::Message(_), .. }))
}

fn size(write: &Write) -> usize {
    match write {
        Write::Insert(row) if is_message(write) => row.size(),
        // A notice ends a message.
        Write::Insert(_) | Write::Remove { .. } => REMOVAL_BYTES,
        Write::Forget { .. } => 0,
    }
}

#[cfg(test)]
mod tests;
