//! The delivery window of one session: what was sent to the recipient and is not acknowledged yet,
//! in the order of sequence numbers. A full window is the backpressure on senders.

use std::collections::VecDeque;

use bytes::Bytes;
use protocol::limits::WINDOW_MESSAGES;

use super::dedup::MessageKey;
use super::limits::WINDOW_BYTES;
use super::{ConnId, RowId};

#[derive(Debug)]
pub(super) struct DeliveryWindow {
    pub(super) conn: ConnId,
    pub(super) epoch: u64,
    /// Sequence number of the first delivery in `in_flight`.
    first_seq: u64,
    in_flight: VecDeque<InFlight>,
    bytes: usize,
    memory_only_count: usize,
    memory_only_bytes: usize,
    /// The highest row that was put in flight in this epoch. Higher rows wait.
    pub(super) sent_upto: RowId,
    /// While true, every new message goes to the mailbox until the mailbox is empty.
    pub(super) backlog: bool,
    pub(super) load: PageLoad,
}

/// The state of reading the next page of the mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageLoad {
    Idle,
    /// Rows up to this one were requested.
    Pending {
        upto: RowId,
    },
    /// The last load failed; the next tick retries it.
    Failed,
}

#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) size: usize,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    MemoryOnly(MemoryOnly),
    /// In the mailbox.
    Row(RowId),
    /// The store refused it and its sender got an error. An acknowledgement or a repetition can
    /// still change that.
    Unstored(MessageKey),
    /// Kept nowhere: it is delivered at most once.
    Ephemeral,
}

/// A reliable message that is not in the store yet.
#[derive(Debug, Clone)]
pub(super) struct MemoryOnly {
    pub(super) key: MessageKey,
    pub(super) expires: u64,
    pub(super) envelope: Bytes,
}

impl DeliveryWindow {
    pub(super) const fn new(conn: ConnId, epoch: u64, backlog: bool) -> Self {
        Self {
            conn,
            epoch,
            first_seq: 1,
            in_flight: VecDeque::new(),
            bytes: 0,
            memory_only_count: 0,
            memory_only_bytes: 0,
            sent_upto: 0,
            backlog,
            load: PageLoad::Idle,
        }
    }

    /// Whether a delivery of this size still fits after `count` more deliveries of `bytes` in
    /// all. An empty window accepts any size.
    pub(super) fn has_capacity_after(&self, count: usize, bytes: usize, size: usize) -> bool {
        let count = (self.in_flight.len() + count) as u64;
        count == 0 || (count < WINDOW_MESSAGES && self.bytes + bytes + size <= WINDOW_BYTES)
    }

    pub(super) fn has_capacity(&self, size: usize) -> bool {
        self.has_capacity_after(0, 0, size)
    }

    /// The number and the bytes of the messages that are only in memory.
    pub(super) const fn memory_only(&self) -> (usize, usize) {
        (self.memory_only_count, self.memory_only_bytes)
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.first_seq + self.in_flight.len() as u64 - 1
    }

    /// Puts a delivery in flight and returns its sequence number.
    pub(super) fn push(&mut self, delivery: InFlight) -> u64 {
        self.bytes += delivery.size;
        match &delivery.content {
            Content::MemoryOnly(_) => {
                self.memory_only_count += 1;
                self.memory_only_bytes += delivery.size;
            }
            Content::Row(row) => self.sent_upto = self.sent_upto.max(*row),
            Content::Unstored(_) | Content::Ephemeral => {}
        }
        self.in_flight.push_back(delivery);
        self.last_seq()
    }

    /// Takes out the next delivery up to and including `seq`.
    pub(super) fn pop_upto(&mut self, seq: u64) -> Option<InFlight> {
        if self.first_seq > seq {
            return None;
        }
        let delivery = self.in_flight.pop_front()?;
        self.first_seq += 1;
        self.bytes -= delivery.size;
        if matches!(delivery.content, Content::MemoryOnly(_)) {
            self.memory_only_count -= 1;
            self.memory_only_bytes -= delivery.size;
        }
        Some(delivery)
    }

    pub(super) fn memory_only_at(&self, seq: u64) -> Option<&MemoryOnly> {
        let index = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        match &self.in_flight.get(index)?.content {
            Content::MemoryOnly(message) => Some(message),
            _ => None,
        }
    }

    /// Replaces a message that is only in memory by the row it was written to, or by another
    /// content if it is not written.
    pub(super) fn replace_memory_only(&mut self, seq: u64, content: Content) {
        let Some(delivery) = self.at_mut(seq) else { return };
        if !matches!(delivery.content, Content::MemoryOnly(_)) {
            return;
        }
        let size = delivery.size;
        let row = if let Content::Row(row) = &content { *row } else { 0 };
        delivery.content = content;
        self.sent_upto = self.sent_upto.max(row);
        self.memory_only_count -= 1;
        self.memory_only_bytes -= size;
    }

    /// Keeps a message in memory again that the store refused.
    pub(super) fn restore_memory_only(&mut self, seq: u64, message: MemoryOnly) {
        let Some(delivery) = self.at_mut(seq) else { return };
        let size = delivery.size;
        delivery.content = Content::MemoryOnly(message);
        self.memory_only_count += 1;
        self.memory_only_bytes += size;
    }

    /// Marks the delivery of a row that the store refused. False if the row is not in flight.
    pub(super) fn mark_unstored(&mut self, row: RowId, key: MessageKey) -> bool {
        let found = self.in_flight.iter_mut().find(|f| matches!(f.content, Content::Row(r) if r == row));
        let Some(delivery) = found else { return false };
        delivery.content = Content::Unstored(key);
        true
    }

    /// The sequence number of a message that the store refused.
    pub(super) fn unstored_seq(&self, key: MessageKey) -> Option<u64> {
        let numbered = (self.first_seq..).zip(&self.in_flight);
        let mut found = numbered.filter(|(_, f)| matches!(f.content, Content::Unstored(k) if k == key));
        found.next().map(|(seq, _)| seq)
    }

    fn at_mut(&mut self, seq: u64) -> Option<&mut InFlight> {
        let index = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        self.in_flight.get_mut(index)
    }

    /// Sequence numbers of the messages that are only in memory, in order.
    pub(super) fn memory_only_seqs(&self) -> Vec<u64> {
        if self.memory_only_count == 0 {
            return Vec::new();
        }
        let numbered = (self.first_seq..).zip(&self.in_flight);
        numbered.filter(|(_, f)| matches!(f.content, Content::MemoryOnly(_))).map(|(seq, _)| seq).collect()
    }

    pub(super) fn into_in_flight(self) -> VecDeque<InFlight> {
        self.in_flight
    }
}
