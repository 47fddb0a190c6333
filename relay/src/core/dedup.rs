//! What was accepted: `(sender, id)` of every reliable message, its digest, and the answer it got or still waits for.
//!
//! Bounded by count and by the dedup window; the oldest answered one is forgotten first.

use std::collections::{HashMap, VecDeque};

use protocol::envelope::MessageId;
use protocol::frame::SendStatus;
use protocol::limits::DEDUP_WINDOW;

use super::{AgentKey, ConnId, RequestId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct MessageKey {
    pub(super) sender: AgentKey,
    pub(super) id: MessageId,
}

#[derive(Debug)]
pub(super) enum State {
    /// The sender waits for this answer.
    Waiting {
        conn: ConnId,
        request: RequestId,
    },
    /// Undecided, and the last sender was told no. A repetition takes the place of the one who waits.
    Unclaimed,
    Answered(SendStatus),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) digest: u64,
    pub(super) state: State,
    /// Unix seconds.
    at: u64,
}

#[derive(Debug)]
pub(super) struct Ledger {
    entries: HashMap<MessageKey, Entry>,
    order: VecDeque<(u64, MessageKey)>,
    entries_max: usize,
}

impl Ledger {
    pub(super) fn new(entries_max: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), entries_max }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn entry_mut(&mut self, key: MessageKey) -> Option<&mut Entry> {
        self.entries.get_mut(&key)
    }

    pub(super) fn insert(&mut self, key: MessageKey, digest: u64, state: State, at: u64) {
        self.entries.insert(key, Entry { digest, state, at });
        self.order.push_back((at, key));
    }

    pub(super) fn remove(&mut self, key: MessageKey) {
        self.entries.remove(&key);
    }

    /// Decides a waiting message: the requester to be told, if there is one. Unknown or decided ones stay as they are.
    pub(super) fn decide(&mut self, key: MessageKey, status: SendStatus) -> Option<(ConnId, RequestId)> {
        let entry = self.entries.get_mut(&key)?;
        if matches!(entry.state, State::Answered(_)) {
            return None;
        }
        match std::mem::replace(&mut entry.state, State::Answered(status)) {
            State::Waiting { conn, request } => Some((conn, request)),
            _ => None,
        }
    }

    /// Takes the requester off an undecided message, to be told no.
    pub(super) fn disclaim(&mut self, key: MessageKey) -> Option<(ConnId, RequestId)> {
        let entry = self.entries.get_mut(&key)?;
        if !matches!(entry.state, State::Waiting { .. }) {
            return None;
        }
        match std::mem::replace(&mut entry.state, State::Unclaimed) {
            State::Waiting { conn, request } => Some((conn, request)),
            _ => None,
        }
    }

    /// Forgets what is older than the window or too much. At most a few entries a call: one goes in, so one goes out.
    pub(super) fn trim(&mut self, now: u64) {
        for _ in 0..4 {
            let Some((at, key)) = self.order.front().copied() else { return };
            let old = at + DEDUP_WINDOW.as_secs() <= now;
            if !old && self.order.len() <= self.entries_max {
                return;
            }
            self.order.pop_front();
            match self.entries.get(&key) {
                Some(entry) if entry.at != at => {}
                Some(Entry { state: State::Answered(_), .. }) => {
                    self.entries.remove(&key);
                }
                // Its answer is still owed; it comes round again.
                Some(_) => self.order.push_back((at, key)),
                None => {}
            }
        }
    }
}
