//! The delivery window of one session: what was sent to the recipient and is not acknowledged yet,
//! in the order of sequence numbers. A full window is the backpressure on senders.

use std::collections::VecDeque;

use super::dedup::MessageKey;
use super::{CoreLimits, RowId};

#[derive(Debug)]
pub(super) struct DeliveryWindow {
    /// Sequence number of the first delivery in `in_flight`.
    first_seq: u64,
    in_flight: VecDeque<InFlight>,
    bytes: usize,
    messages_max: u64,
    bytes_max: usize,
}

#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) size: usize,
    pub(super) content: Content,
}

/// Where a delivery is kept until it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Only in memory, in the messages of a live session.
    MemoryOnly,
    /// In the mailbox.
    Row(RowId),
    /// The store refused it and its sender got an error. The table of unstored messages owns it.
    Unstored(MessageKey),
    /// Nowhere: an ephemeral message, or one whose end is settled.
    Nowhere,
}

impl DeliveryWindow {
    pub(super) const fn new(limits: &CoreLimits) -> Self {
        Self {
            first_seq: 1,
            in_flight: VecDeque::new(),
            bytes: 0,
            messages_max: limits.window_messages,
            bytes_max: limits.window_bytes,
        }
    }

    /// Whether a delivery of this size still fits after `count` more deliveries of `bytes` in
    /// all. An empty window accepts any size.
    pub(super) fn has_capacity_after(&self, count: usize, bytes: usize, size: usize) -> bool {
        let count = (self.in_flight.len() + count) as u64;
        count == 0 || (count < self.messages_max && self.bytes + bytes + size <= self.bytes_max)
    }

    pub(super) fn has_capacity(&self, size: usize) -> bool {
        self.has_capacity_after(0, 0, size)
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.first_seq + self.in_flight.len() as u64 - 1
    }

    /// Puts a delivery in flight and returns its sequence number.
    pub(super) fn push(&mut self, size: usize, content: Content) -> u64 {
        self.bytes += size;
        self.in_flight.push_back(InFlight { size, content });
        self.last_seq()
    }

    /// Takes out the next delivery up to and including `seq`.
    pub(super) fn pop_upto(&mut self, seq: u64) -> Option<(u64, Content)> {
        if self.first_seq > seq {
            return None;
        }
        let delivery = self.in_flight.pop_front()?;
        let popped = self.first_seq;
        self.first_seq += 1;
        self.bytes -= delivery.size;
        Some((popped, delivery.content))
    }

    /// Takes out a delivery that is settled before older ones. Its number stays taken.
    pub(super) fn settle(&mut self, seq: u64) -> Option<Content> {
        let delivery = self.at_mut(seq)?;
        let content = std::mem::replace(&mut delivery.content, Content::Nowhere);
        let size = std::mem::take(&mut delivery.size);
        self.bytes -= size;
        Some(content)
    }

    pub(super) fn replace(&mut self, seq: u64, content: Content) -> Option<Content> {
        self.at_mut(seq).map(|delivery| std::mem::replace(&mut delivery.content, content))
    }

    pub(super) fn seq_of_row(&self, row: RowId) -> Option<u64> {
        self.contents().find(|(_, content)| *content == Content::Row(row)).map(|(seq, _)| seq)
    }

    pub(super) fn contents(&self) -> impl Iterator<Item = (u64, Content)> {
        (self.first_seq..).zip(&self.in_flight).map(|(seq, delivery)| (seq, delivery.content))
    }

    fn at_mut(&mut self, seq: u64) -> Option<&mut InFlight> {
        let index = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        self.in_flight.get_mut(index)
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize, usize) {
        (self.in_flight.len(), self.bytes, self.in_flight.iter().map(|delivery| delivery.size).sum())
    }
}
