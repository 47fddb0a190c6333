//! The deduplication table: `(sender, id)` of every reliable message, its digest, and the answer
//! that it got or still waits for.
//!
//! Sending is idempotent because of it. The table is bounded by a count and by the dedup window;
//! the oldest answered entry is forgotten first.

use std::collections::{HashMap, VecDeque};

use protocol::envelope::MessageId;
use protocol::frame::SendStatus;
use protocol::limits::DEDUP_TTL;

use super::{AgentSlot, ConnId, RequestId};

/// Entries that one call of [`DedupTable::trim`] looks at. One message adds one entry, so a few
/// are enough to keep the table within its bound.
const TRIM_STEPS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct MessageKey {
    pub(super) sender: AgentSlot,
    pub(super) id: MessageId,
}

#[derive(Debug)]
pub(super) enum AnswerState {
    /// This request waits for the answer.
    Waiting {
        conn: ConnId,
        request: RequestId,
    },
    /// The last request got an error and the outcome is still open. A repetition becomes the
    /// request that waits.
    Released,
    Answered(SendStatus),
}

#[derive(Debug)]
pub(super) struct DedupEntry {
    pub(super) digest: u64,
    pub(super) state: AnswerState,
    /// Unix seconds.
    accepted: u64,
}

#[derive(Debug)]
pub(super) struct DedupTable {
    entries: HashMap<MessageKey, DedupEntry>,
    order: VecDeque<(u64, MessageKey)>,
    entries_max: usize,
}

impl DedupTable {
    pub(super) fn new(entries_max: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), entries_max }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn entry_mut(&mut self, key: MessageKey) -> Option<&mut DedupEntry> {
        self.entries.get_mut(&key)
    }

    pub(super) fn insert(&mut self, key: MessageKey, digest: u64, state: AnswerState, accepted: u64) {
        self.entries.insert(key, DedupEntry { digest, state, accepted });
        self.order.push_back((accepted, key));
    }

    pub(super) fn remove(&mut self, key: MessageKey) {
        self.entries.remove(&key);
    }

    /// Records the answer and returns the request that waits for it, if one does. An unknown
    /// message and one that was answered before stay as they are.
    pub(super) fn answer(&mut self, key: MessageKey, status: SendStatus) -> Option<(ConnId, RequestId)> {
        let entry = self.entries.get_mut(&key)?;
        if matches!(entry.state, AnswerState::Answered(_)) {
            return None;
        }
        match std::mem::replace(&mut entry.state, AnswerState::Answered(status)) {
            AnswerState::Waiting { conn, request } => Some((conn, request)),
            _ => None,
        }
    }

    /// Returns the request that waits for the answer, which then waits no longer.
    pub(super) fn release(&mut self, key: MessageKey) -> Option<(ConnId, RequestId)> {
        let entry = self.entries.get_mut(&key)?;
        if !matches!(entry.state, AnswerState::Waiting { .. }) {
            return None;
        }
        match std::mem::replace(&mut entry.state, AnswerState::Released) {
            AnswerState::Waiting { conn, request } => Some((conn, request)),
            _ => None,
        }
    }

    /// Forgets entries that are older than the dedup window or exceed the table's bound.
    pub(super) fn trim(&mut self, now: u64) {
        for _ in 0..TRIM_STEPS {
            let Some((accepted, key)) = self.order.front().copied() else { return };
            let old = accepted + DEDUP_TTL.as_secs() <= now;
            if !old && self.order.len() <= self.entries_max {
                return;
            }
            self.order.pop_front();
            match self.entries.get(&key) {
                Some(entry) if entry.accepted != accepted => {}
                Some(DedupEntry { state: AnswerState::Answered(_), .. }) => {
                    self.entries.remove(&key);
                }
                // A request may still wait for its answer, so the entry goes to the back.
                Some(_) => self.order.push_back((accepted, key)),
                None => {}
            }
        }
    }
}
