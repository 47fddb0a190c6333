//! The session of one agent. It is either live or in backlog, and only a live session holds
//! messages that are in memory alone.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::dedup::MessageKey;
use super::delivery_window::{Content, DeliveryWindow};
use super::{ConnId, CoreLimits, RowId};

#[derive(Debug)]
pub(super) struct AgentSession {
    pub(super) conn: ConnId,
    pub(super) epoch: u64,
    pub(super) window: DeliveryWindow,
    pub(super) mode: DeliveryMode,
}

#[derive(Debug)]
pub(super) enum DeliveryMode {
    /// Every row of the mailbox is in flight. New messages go straight to the connection.
    Live(LiveMessages),
    /// Every new message goes to the mailbox, until nothing in it waits.
    Backlog(Backlog),
}

/// The messages in flight that are only in memory, by sequence number.
#[derive(Debug, Default)]
pub(super) struct LiveMessages {
    messages: VecDeque<(u64, MemoryOnly)>,
    bytes: usize,
}

/// A reliable message that is not in the store yet.
#[derive(Debug, Clone)]
pub(super) struct MemoryOnly {
    pub(super) key: MessageKey,
    pub(super) ttl_seconds: u64,
    /// Milliseconds of the steady clock.
    pub(super) expires_ms: u64,
    pub(super) envelope: Bytes,
}

/// How far the mailbox was delivered in this epoch.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Every row up to this one is in flight or has left the mailbox.
    sent_upto: RowId,
    /// Higher rows that are in flight: messages that the store had refused at first.
    ahead: BTreeSet<RowId>,
    pub(super) load: PageLoad,
    /// Loads in a row that failed.
    pub(super) failed_loads: u32,
}

/// The state of reading the next page of the mailbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum PageLoad {
    #[default]
    Idle,
    /// Rows up to this one were requested.
    Pending { upto: RowId },
    /// The last load failed, and is to be repeated.
    Failed,
}

impl AgentSession {
    pub(super) fn new(conn: ConnId, epoch: u64, limits: &CoreLimits, rows_wait: bool) -> Self {
        let mode = if rows_wait {
            DeliveryMode::Backlog(Backlog::default())
        } else {
            DeliveryMode::Live(LiveMessages::default())
        };
        Self { conn, epoch, window: DeliveryWindow::new(limits), mode }
    }

    pub(super) const fn live(&self) -> Option<&LiveMessages> {
        match &self.mode {
            DeliveryMode::Live(live) => Some(live),
            DeliveryMode::Backlog(_) => None,
        }
    }

    pub(super) const fn live_mut(&mut self) -> Option<&mut LiveMessages> {
        match &mut self.mode {
            DeliveryMode::Live(live) => Some(live),
            DeliveryMode::Backlog(_) => None,
        }
    }

    pub(super) const fn backlog_mut(&mut self) -> Option<&mut Backlog> {
        match &mut self.mode {
            DeliveryMode::Live(_) => None,
            DeliveryMode::Backlog(backlog) => Some(backlog),
        }
    }

    /// Puts a message in flight that is only in memory. Gives it back if the session is not live or
    /// its window is full.
    pub(super) fn push_live(&mut self, message: MemoryOnly) -> Result<u64, MemoryOnly> {
        let size = message.envelope.len();
        match &mut self.mode {
            DeliveryMode::Live(live) if self.window.has_capacity(size) => {
                let seq = self.window.push(size, Content::MemoryOnly);
                live.insert(seq, message);
                Ok(seq)
            }
            _ => Err(message),
        }
    }

    /// Whether this row of the agent's mailbox is in flight.
    pub(super) fn has_in_flight(&self, row: RowId) -> bool {
        match &self.mode {
            DeliveryMode::Live(_) => true,
            DeliveryMode::Backlog(backlog) => backlog.has_sent(row),
        }
    }
}

impl LiveMessages {
    /// The number of messages, and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.messages.len(), self.bytes)
    }

    pub(super) fn insert(&mut self, seq: u64, message: MemoryOnly) {
        self.bytes += message.envelope.len();
        let index = self.messages.partition_point(|(other, _)| *other < seq);
        self.messages.insert(index, (seq, message));
    }

    pub(super) fn take(&mut self, seq: u64) -> Option<MemoryOnly> {
        let index = self.messages.binary_search_by_key(&seq, |(other, _)| *other).ok()?;
        let (_, message) = self.messages.remove(index)?;
        self.bytes -= message.envelope.len();
        Some(message)
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &(u64, MemoryOnly)> {
        self.messages.iter()
    }

    /// All messages, in order.
    pub(super) fn take_all(&mut self) -> VecDeque<(u64, MemoryOnly)> {
        self.bytes = 0;
        std::mem::take(&mut self.messages)
    }
}

impl Backlog {
    /// A backlog behind this row, the highest of the mailbox.
    pub(super) fn after(sent_upto: RowId) -> Self {
        Self { sent_upto, ..Self::default() }
    }

    pub(super) fn has_sent(&self, row: RowId) -> bool {
        row <= self.sent_upto || self.ahead.contains(&row)
    }

    /// The row after which the next ones wait. Some of them may be in flight already.
    pub(super) const fn sent_upto(&self) -> RowId {
        self.sent_upto
    }

    /// This row was put in flight, and every row below it was before.
    pub(super) fn advance(&mut self, row: RowId) {
        self.sent_upto = self.sent_upto.max(row);
        self.ahead = self.ahead.split_off(&self.sent_upto.saturating_add(1));
    }

    /// The message of this row was in flight before it was written.
    pub(super) fn mark_ahead(&mut self, row: RowId) {
        self.ahead.insert(row);
    }

    /// The row left the mailbox.
    pub(super) fn forget(&mut self, row: RowId) {
        self.ahead.remove(&row);
    }

    #[cfg(test)]
    pub(super) const fn ahead(&self) -> &BTreeSet<RowId> {
        &self.ahead
    }
}
