//! One session's deliveries without acknowledgement, in the order of their sequence numbers.

use std::collections::VecDeque;

use bytes::Bytes;
use protocol::limits::WINDOW_MESSAGES;

use super::ledger::MessageKey;
use super::limits::WINDOW_BYTES;
use super::{ConnId, RowId};

#[derive(Debug)]
pub(super) struct Session {
    pub(super) conn: ConnId,
    pub(super) epoch: u64,
    /// Number of the first delivery in `flights`.
    first_seq: u64,
    flights: VecDeque<Flight>,
    bytes: usize,
    fresh: usize,
    fresh_bytes: usize,
    /// The highest row that is or was in flight in this epoch. Higher ones wait.
    pub(super) sent_upto: RowId,
    /// True: everything new goes to the mailbox until that is empty.
    pub(super) backlog: bool,
    pub(super) load: Load,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    None,
    /// Rows up to this one were asked for.
    UnderWay {
        upto: RowId,
    },
    /// The last one failed; the next tick tries again.
    Failed,
}

#[derive(Debug)]
pub(super) struct Flight {
    pub(super) size: usize,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// Only in memory.
    Fresh(Fresh),
    /// In the mailbox.
    Row(RowId),
    /// The store refused it and the sender was told. Only an acknowledgement or a repetition can still change that.
    Unstored(MessageKey),
    /// Nowhere: at most once.
    Ephemeral,
}

/// A reliable message that is in no store yet.
#[derive(Debug, Clone)]
pub(super) struct Fresh {
    pub(super) key: MessageKey,
    pub(super) expires: u64,
    pub(super) envelope: Bytes,
}

impl Session {
    pub(super) const fn new(conn: ConnId, epoch: u64, backlog: bool) -> Self {
        Self {
            conn,
            epoch,
            first_seq: 1,
            flights: VecDeque::new(),
            bytes: 0,
            fresh: 0,
            fresh_bytes: 0,
            sent_upto: 0,
            backlog,
            load: Load::None,
        }
    }

    /// Whether a delivery of this size may be sent after `count` more of `bytes`. An empty window takes any.
    pub(super) fn has_room_after(&self, count: usize, bytes: usize, size: usize) -> bool {
        let count = (self.flights.len() + count) as u64;
        count == 0 || (count < WINDOW_MESSAGES && self.bytes + bytes + size <= WINDOW_BYTES)
    }

    pub(super) fn has_room(&self, size: usize) -> bool {
        self.has_room_after(0, 0, size)
    }

    /// Number of messages, and bytes, that are only in memory.
    pub(super) const fn fresh(&self) -> (usize, usize) {
        (self.fresh, self.fresh_bytes)
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.first_seq + self.flights.len() as u64 - 1
    }

    /// Puts a delivery into flight and returns its sequence number.
    pub(super) fn push(&mut self, flight: Flight) -> u64 {
        self.bytes += flight.size;
        match &flight.content {
            Content::Fresh(_) => {
                self.fresh += 1;
                self.fresh_bytes += flight.size;
            }
            Content::Row(row) => self.sent_upto = self.sent_upto.max(*row),
            Content::Unstored(_) | Content::Ephemeral => {}
        }
        self.flights.push_back(flight);
        self.last_seq()
    }

    /// The next delivery up to and including `seq`, taken out of flight.
    pub(super) fn pop_upto(&mut self, seq: u64) -> Option<Flight> {
        if self.first_seq > seq {
            return None;
        }
        let flight = self.flights.pop_front()?;
        self.first_seq += 1;
        self.bytes -= flight.size;
        if matches!(flight.content, Content::Fresh(_)) {
            self.fresh -= 1;
            self.fresh_bytes -= flight.size;
        }
        Some(flight)
    }

    pub(super) fn fresh_at(&self, seq: u64) -> Option<&Fresh> {
        let index = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        match &self.flights.get(index)?.content {
            Content::Fresh(fresh) => Some(fresh),
            _ => None,
        }
    }

    /// Takes a message that was only in memory out of it: into a row, or out of the relay's care.
    pub(super) fn settle(&mut self, seq: u64, content: Content) {
        let Some(flight) = self.flight_mut(seq) else { return };
        if !matches!(flight.content, Content::Fresh(_)) {
            return;
        }
        let size = flight.size;
        let row = if let Content::Row(row) = &content { *row } else { 0 };
        flight.content = content;
        self.sent_upto = self.sent_upto.max(row);
        self.fresh -= 1;
        self.fresh_bytes -= size;
    }

    /// Takes a message the store refused back into memory.
    pub(super) fn reclaim(&mut self, seq: u64, fresh: Fresh) {
        let Some(flight) = self.flight_mut(seq) else { return };
        let size = flight.size;
        flight.content = Content::Fresh(fresh);
        self.fresh += 1;
        self.fresh_bytes += size;
    }

    /// The store refused this row; what is in flight is all there is.
    pub(super) fn row_refused(&mut self, row: RowId, key: MessageKey) -> bool {
        let found = self.flights.iter_mut().find(|f| matches!(f.content, Content::Row(r) if r == row));
        let Some(flight) = found else { return false };
        flight.content = Content::Unstored(key);
        true
    }

    /// Where a message is that the store refused.
    pub(super) fn unstored_seq(&self, key: MessageKey) -> Option<u64> {
        let numbered = (self.first_seq..).zip(&self.flights);
        let mut found = numbered.filter(|(_, f)| matches!(f.content, Content::Unstored(k) if k == key));
        found.next().map(|(seq, _)| seq)
    }

    fn flight_mut(&mut self, seq: u64) -> Option<&mut Flight> {
        let index = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        self.flights.get_mut(index)
    }

    /// Sequence numbers of the messages that are only in memory, in order.
    pub(super) fn fresh_seqs(&self) -> Vec<u64> {
        if self.fresh == 0 {
            return Vec::new();
        }
        let numbered = (self.first_seq..).zip(&self.flights);
        numbered.filter(|(_, f)| matches!(f.content, Content::Fresh(_))).map(|(seq, _)| seq).collect()
    }

    pub(super) fn into_flights(self) -> VecDeque<Flight> {
        self.flights
    }
}
