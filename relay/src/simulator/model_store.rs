//! Model of the message store: committed rows survive a crash, queued writes do not. Commits take
//! time and can fail.

use std::collections::{BTreeMap, VecDeque};

use crate::core::{Event, RestoredRow, RowId, Write, WriteContent, WriteRow};

#[derive(Debug, Default)]
pub(super) struct ModelStore {
    pub(super) rows: BTreeMap<RowId, Saved>,
    queue: VecDeque<Write>,
    /// End of the current commit, and the number of queued writes in it.
    commit: Option<(u64, usize)>,
    pub(super) failing: bool,
    pub(super) next_row: RowId,
    pub(super) starts: u64,
}

#[derive(Debug)]
pub(super) struct Saved {
    pub(super) row: WriteRow,
    pub(super) waiting: bool,
}

impl ModelStore {
    pub(super) fn submit(&mut self, write: Write) {
        self.queue.push_back(write);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn start_commit(&mut self, end_ms: u64) {
        if self.commit.is_none() && !self.queue.is_empty() {
            self.commit = Some((end_ms, self.queue.len()));
        }
    }

    /// The event of a commit that ends now. Removals of a failed commit are retried, as the message
    /// store does.
    pub(super) fn end_commit(&mut self, now_ms: u64, keep_removed: bool) -> Option<Event<'static>> {
        let (_, count) = self.commit.take_if(|(end, _)| *end <= now_ms)?;
        let batch: Vec<Write> = self.queue.drain(..count).collect();
        let upto = batch.iter().filter_map(inserted).max();
        if self.failing {
            for write in batch.into_iter().rev().filter(|w| inserted(w).is_none()) {
                self.queue.push_front(write);
            }
            return upto.map(|upto| Event::StoreFailed { upto });
        }
        for write in batch {
            self.apply(write, keep_removed);
        }
        upto.map(|upto| Event::Stored { upto })
    }

    /// A power failure: the current commit happened or did not.
    pub(super) fn crash(&mut self, commit_happened: bool, keep_removed: bool) {
        if let Some((_, count)) = self.commit.take().filter(|_| commit_happened && !self.failing) {
            let batch: Vec<Write> = self.queue.drain(..count).collect();
            for write in batch {
                self.apply(write, keep_removed);
            }
        }
        self.queue.clear();
    }

    fn apply(&mut self, write: Write, keep_removed: bool) {
        match write {
            Write::Insert(row) => {
                self.next_row = self.next_row.max(row.row + 1);
                self.rows.insert(row.row, Saved { row, waiting: true });
            }
            Write::Remove { row } => {
                if let Some(saved) = self.rows.get_mut(&row).filter(|_| !keep_removed) {
                    saved.waiting = false;
                }
            }
            Write::Forget { accepted_before } => {
                self.rows.retain(|_, saved| saved.waiting || saved.row.accepted >= accepted_before);
            }
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
            waiting: saved.waiting,
        };
        self.rows.values().map(restore).collect()
    }

    pub(super) fn read(&self, rows: &[RowId]) -> Vec<(RowId, bytes::Bytes)> {
        let body = |row: &RowId| match &self.rows.get(row)?.row.content {
            WriteContent::Message(bytes) => Some((*row, bytes.clone())),
            WriteContent::Notice(_) => None,
        };
        rows.iter().filter_map(body).collect()
    }
}

const fn inserted(write: &Write) -> Option<RowId> {
    match write {
        Write::Insert(row) => Some(row.row),
        _ => None,
    }
}
