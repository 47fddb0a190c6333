//! The queue of writes that wait for the next commit, in order.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::core::Write;
use crate::poison::exit_if_poisoned;

/// Writes of one commit: about 5 ms of work, so that a single write does not wait long.
const BATCH_WRITES_MAX: usize = 1024;
/// Bytes after which a commit takes no further write, for the same reason.
const BATCH_BYTES: usize = 1 << 20;

/// Bounded by the core, which refuses sends above `core::limits::WRITES_PENDING_MAX`. The writes of
/// sessions that end are bounded by their delivery windows.
#[derive(Debug, Default)]
pub(crate) struct WriteQueue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    writes: VecDeque<Write>,
    closed: bool,
}

impl WriteQueue {
    pub(crate) fn push(&self, write: Write) {
        let mut state = self.state();
        state.writes.push_back(write);
        // Only an idle writer sleeps, and it sleeps on an empty queue.
        if state.writes.len() == 1 {
            self.changed.notify_one();
        }
    }

    /// Lets the writer end once it has committed everything in the queue.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }

    /// Waits for the next batch. An empty batch means that the queue is closed.
    pub(super) async fn next_batch(&self) -> Vec<Write> {
        loop {
            {
                let mut state = self.state();
                if !state.writes.is_empty() || state.closed {
                    return take_batch(&mut state.writes);
                }
            }
            self.changed.notified().await;
        }
    }

    /// The writes that are in the queue now, at most one batch.
    pub(super) fn batch_now(&self) -> Vec<Write> {
        take_batch(&mut self.state().writes)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        exit_if_poisoned(self.state.lock(), "the queue of mailbox writes")
    }
}

fn take_batch(writes: &mut VecDeque<Write>) -> Vec<Write> {
    let (mut count, mut bytes) = (0, 0);
    for write in writes.iter().take(BATCH_WRITES_MAX) {
        bytes += size(write);
        count += 1;
        if bytes >= BATCH_BYTES {
            break;
        }
    }
    writes.drain(..count).collect()
}

const fn size(write: &Write) -> usize {
    match write {
        Write::Insert(row) => row.size(),
        _ => 0,
    }
}
