//! Model of the disk under the real commit scheduler: committed rows survive a crash, a commit
//! takes time, fails, fails and is durable all the same, has no room, or does not return for long.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use protocol::frame::Outcome;

use crate::core::{Event, RestoredRow, RowId, RowState, Write, WriteContent, WriteRow};
use crate::message_store::{Batch, CommitFailure, CommitScheduler, NextCommit, StoreReport};

#[derive(Debug, Default)]
pub(super) struct ModelStore {
    pub(super) rows: BTreeMap<RowId, Saved>,
    scheduler: CommitScheduler,
    commit: Option<ModelCommit>,
    /// Commits fail, and this is whether they are durable all the same.
    pub(super) failing: Option<Durable>,
    pub(super) full: bool,
    pub(super) next_row: RowId,
    pub(super) starts: u64,
    /// Rows that left their mailbox as delivered since this was looked at.
    pub(super) left: Vec<RowId>,
    /// Rows whose body cannot be read any more.
    pub(super) damaged: HashSet<RowId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Durable(pub(super) bool);

#[derive(Debug)]
struct ModelCommit {
    end_ms: u64,
    batch: Arc<Batch>,
}

#[derive(Debug)]
pub(super) struct Saved {
    pub(super) row: WriteRow,
    pub(super) state: RowState,
}

impl ModelStore {
    pub(super) fn submit(&mut self, write: Write, now_ms: u64) {
        self.scheduler.push(write, now_ms);
    }

    pub(super) fn is_idle(&self) -> bool {
        !self.scheduler.has_writes() && !self.scheduler.is_failing()
    }

    /// The scheduler has found that the disk is full, and has said so if it refused anything.
    pub(super) const fn is_full(&self) -> bool {
        self.scheduler.is_full()
    }

    /// How long the oldest write waits.
    pub(super) fn oldest_ms(&self, now_ms: u64) -> u64 {
        self.scheduler.oldest_ms(now_ms)
    }

    /// Begins what the scheduler asks for, to end after `takes_ms`.
    pub(super) fn begin(&mut self, now_ms: u64, takes_ms: u64) -> Option<Event<'static>> {
        if self.commit.is_some() {
            return None;
        }
        match self.scheduler.next(now_ms) {
            NextCommit::Commit(batch) => {
                self.commit = Some(ModelCommit { end_ms: now_ms + takes_ms, batch });
                None
            }
            NextCommit::LookForSpaceAt(at) if at <= now_ms => {
                self.scheduler.looked_for_space(!self.full, now_ms).and_then(event)
            }
            _ => None,
        }
    }

    /// The events of a commit that ends now.
    pub(super) fn end(&mut self, now_ms: u64, keep_removed: bool) -> Vec<Event<'static>> {
        let Some(ModelCommit { batch, .. }) = self.commit.take_if(|commit| commit.end_ms <= now_ms) else {
            return Vec::new();
        };
        let result = match self.failing {
            Some(durable) => {
                if durable == Durable(true) {
                    self.apply(&batch, keep_removed);
                }
                Err(CommitFailure::Other)
            }
            None if self.full && batch.writes.iter().any(is_message) => Err(CommitFailure::Full),
            None => {
                self.apply(&batch, keep_removed);
                Ok(Duration::ZERO)
            }
        };
        drop(batch);
        self.scheduler.finished(result, now_ms).into_iter().filter_map(event).collect()
    }

    /// A power failure: the current commit happened or did not.
    pub(super) fn crash(&mut self, commit_happened: bool, keep_removed: bool) {
        if let Some(commit) = self.commit.take().filter(|_| commit_happened && !self.full) {
            self.apply(&commit.batch, keep_removed);
        }
        self.scheduler = CommitScheduler::default();
        self.next_row = self.rows.last_key_value().map_or(1, |(row, _)| row + 1);
    }

    fn apply(&mut self, batch: &Batch, keep_removed: bool) {
        for row in &batch.discarded {
            self.rows.remove(row);
        }
        for row in &batch.revived {
            if let Some(saved) = self.rows.get_mut(row) {
                saved.state = RowState::Waiting;
            }
        }
        for write in &batch.writes {
            match write {
                Write::Insert(row) => {
                    self.rows.insert(row.row, Saved { row: row.clone(), state: RowState::Waiting });
                    if let WriteContent::Notice { ends: Some(ends), outcome, .. } = row.content {
                        self.remove(ends, Some(outcome));
                    }
                }
                Write::Remove { row, outcome } if !keep_removed => self.remove(*row, *outcome),
                Write::Remove { .. } => {}
                Write::Forget { accepted_before } => {
                    let ended: Vec<RowId> = batch.writes.iter().filter_map(Write::ended_by_notice).collect();
                    let kept =
                        |saved: &Saved| saved.state == RowState::Waiting || ended.contains(&saved.row.row);
                    self.rows.retain(|_, saved| kept(saved) || saved.row.accepted >= *accepted_before);
                }
            }
        }
    }

    fn remove(&mut self, row: RowId, outcome: Option<Outcome>) {
        let Some(saved) = self.rows.get_mut(&row) else { return };
        if outcome == Some(Outcome::Delivered) {
            self.left.push(row);
        }
        match outcome {
            Some(outcome) => saved.state = RowState::Left(outcome),
            None => drop(self.rows.remove(&row)),
        }
    }

    pub(super) fn restored(&self) -> Vec<RestoredRow> {
        let restore = |saved: &Saved| RestoredRow {
            row: saved.row.row,
            recipient: saved.row.recipient.parse().unwrap(),
            peer: saved.row.peer.parse().unwrap(),
            id: saved.row.id,
            digest: saved.row.digest,
            kind: saved.row.kind(),
            size: u32::try_from(saved.row.size()).unwrap(),
            accepted: saved.row.accepted,
            expires: saved.row.expires,
            state: saved.state,
        };
        self.rows.values().map(restore).collect()
    }

    pub(super) fn read(&self, rows: &[RowId]) -> Vec<(RowId, bytes::Bytes)> {
        let body = |row: &RowId| match &self.rows.get(row)?.row.content {
            WriteContent::Message(bytes) if !self.damaged.contains(row) => Some((*row, bytes.clone())),
            _ => None,
        };
        rows.iter().filter_map(body).collect()
    }
}

fn event(report: StoreReport) -> Option<Event<'static>> {
    Some(match report {
        StoreReport::Stored { upto, .. } => Event::Stored { upto },
        StoreReport::Removed { rows } => Event::Removed { rows },
        StoreReport::StoreFailed { upto } => Event::StoreFailed { upto },
        StoreReport::Full => Event::StoreFull,
        StoreReport::Recovered => Event::StoreRecovered,
        StoreReport::Loaded { .. } | StoreReport::LoadFailed { .. } => return None,
    })
}

const fn is_message(write: &Write) -> bool {
    matches!(write, Write::Insert(WriteRow { content: WriteContent::Message(_), .. }))
}
