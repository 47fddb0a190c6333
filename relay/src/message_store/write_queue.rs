//! Writes waiting for the next commit, in order.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::bytes_of;
use crate::core::Write;

/// Writes of one commit, and bytes of one commit: about 5 ms of work, so that a single write does not wait long.
const BATCH_WRITES: usize = 1024;
const BATCH_BYTES: usize = 1 << 20;

/// Bounded by the core, which refuses sends above `core::limits::WRITES_PENDING_MAX`; what sessions spill when they end is
/// bounded by their windows.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    writes: VecDeque<Write>,
    closed: bool,
}

impl Queue {
    pub(crate) fn push(&self, write: Write) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.writes.push_back(write);
        // Only an idle writer sleeps, and it sleeps on an empty queue.
        if state.writes.len() == 1 {
            self.changed.notify_one();
        }
    }

    /// The writer ends when it has committed what is here.
    pub(crate) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_one();
    }

    /// The next batch, as soon as there is one. Empty: closed.
    pub(super) async fn next_batch(&self) -> Vec<Write> {
        loop {
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if !state.writes.is_empty() || state.closed {
                    return take(&mut state.writes);
                }
            }
            self.changed.notified().await;
        }
    }

    /// What is here now, at most a batch.
    pub(super) fn batch_now(&self) -> Vec<Write> {
        take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).writes)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed
    }
}

fn take(writes: &mut VecDeque<Write>) -> Vec<Write> {
    let (mut count, mut bytes) = (0, 0);
    for write in writes.iter().take(BATCH_WRITES) {
        bytes += bytes_of(write);
        count += 1;
        if bytes >= BATCH_BYTES {
            break;
        }
    }
    writes.drain(..count).collect()
}
